package main

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// The modes: what happens to a request instead of, or on, its way to the target.
const (
	modePass         = "pass"
	modeRefuse       = "refuse"        // 502 at once
	modeHang         = "hang"          // taken, never answered
	modeDropResponse = "drop-response" // passed on, but the answer never arrives
)

// setting is how requests are treated; classes empty means all of them.
type setting struct {
	Mode    string   `json:"mode"`
	DelayMS int      `json:"delayMs"`
	Classes []string `json:"classes,omitempty"`
}

// counts of one class of requests; statuses also has "hung" and "dropped".
type counts struct {
	Requests int            `json:"requests"`
	Statuses map[string]int `json:"statuses"`
}

type state struct {
	mu       sync.Mutex
	target   *url.URL
	setting  setting
	released chan struct{} // closed when the setting changes: hanging requests then break off
	classes  map[string]*counts
	txns     map[string]int // how often each transaction id was seen
	pushes   []push
}

// push is a transaction that was passed on.
type push struct {
	BeganMS    int64    `json:"beganMs"`
	AnsweredMS int64    `json:"answeredMs"` // when the answer began
	Outcome    string   `json:"outcome"`    // the target's status, whether or not it got back to the sender; 502 without one
	Events     []string `json:"events"`     // their ids, in order
}

func newState() *state {
	s := &state{setting: setting{Mode: modePass}, released: make(chan struct{})}
	s.resetStats()
	return s
}

// classOf sorts paths by who calls them and what for.
func classOf(path string) string {
	switch {
	case strings.HasPrefix(path, "/_matrix/app/v1/transactions/"), strings.HasPrefix(path, "/transactions/"):
		return "transactions"
	case path == "/_matrix/app/v1/ping":
		return "ping"
	case strings.HasPrefix(path, "/_matrix/"):
		return "matrix"
	case strings.HasPrefix(path, "/api/bridge/"):
		return "bridge"
	case path == "/ws":
		return "ws"
	}
	return "other"
}

func (s *state) setTarget(raw *string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if raw == nil {
		s.target = nil
		return nil
	}
	target, err := url.Parse(*raw)
	if err != nil || target.Scheme == "" || target.Host == "" {
		return fmt.Errorf("%q is no URL", *raw)
	}
	s.target = target
	return nil
}

func (s *state) setMode(next setting) error {
	if !slices.Contains([]string{modePass, modeRefuse, modeHang, modeDropResponse}, next.Mode) {
		return fmt.Errorf("unknown mode %q", next.Mode)
	}
	s.mu.Lock()
	s.setting = next
	s.mu.Unlock()
	s.release()
	return nil
}

// release breaks off what hangs, so that its sender does not wait for its own timeout.
func (s *state) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.released)
	s.released = make(chan struct{})
}

// admit counts a request and says how to treat it.
func (s *state) admit(class, path string) (target *url.URL, mode string, delay time.Duration, released <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.class(class).Requests++
	if class == "transactions" {
		s.txns[path[strings.LastIndexByte(path, '/')+1:]]++
	}
	if len(s.setting.Classes) > 0 && !slices.Contains(s.setting.Classes, class) {
		return s.target, modePass, 0, s.released
	}
	return s.target, s.setting.Mode, time.Duration(s.setting.DelayMS) * time.Millisecond, s.released
}

func (s *state) outcome(class, status string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.class(class).Statuses[status]++
}

func (s *state) pushed(began time.Time, answer *statusWriter, body []byte) {
	var brought struct {
		Events []struct {
			EventID string `json:"event_id"`
		} `json:"events"`
	}
	// Whether it is a transaction is the target's to say.
	_ = json.Unmarshal(body, &brought)
	events := make([]string, len(brought.Events))
	for i, event := range brought.Events {
		events[i] = event.EventID
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pushes = append(s.pushes, push{began.UnixMilli(), answer.answered.UnixMilli(), answer.outcome, events})
}

func (s *state) class(name string) *counts {
	if s.classes[name] == nil {
		s.classes[name] = &counts{Statuses: map[string]int{}}
	}
	return s.classes[name]
}

func (s *state) resetStats() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.classes, s.txns, s.pushes = map[string]*counts{}, map[string]int{}, []push{}
}
