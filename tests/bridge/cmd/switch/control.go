package main

import (
	"encoding/json"
	"net/http"
	"slices"
)

// controlRoutes is the test's side: where requests go, what happens to them, what was seen.
func controlRoutes(s *state) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) { reply(w, 200, "{}") })
	mux.HandleFunc("PUT /target", func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			URL *string `json:"url"`
		}
		take(w, r, &body, func() error { return s.setTarget(body.URL) })
	})
	mux.HandleFunc("PUT /mode", func(w http.ResponseWriter, r *http.Request) {
		next := setting{Mode: modePass}
		take(w, r, &next, func() error { return s.setMode(next) })
	})
	mux.HandleFunc("GET /stats", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(s.stats())
	})
	mux.HandleFunc("GET /pushes", func(w http.ResponseWriter, _ *http.Request) {
		s.mu.Lock()
		pushes := slices.Clone(s.pushes)
		s.mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(pushes)
	})
	mux.HandleFunc("DELETE /stats", func(w http.ResponseWriter, _ *http.Request) {
		s.resetStats()
		reply(w, 200, "{}")
	})
	return mux
}

// take decodes a body and applies it.
func take(w http.ResponseWriter, r *http.Request, into any, apply func() error) {
	decoder := json.NewDecoder(r.Body)
	decoder.DisallowUnknownFields()
	err := decoder.Decode(into)
	if err == nil {
		err = apply()
	}
	if err != nil {
		text, _ := json.Marshal(map[string]string{"error": err.Error()})
		reply(w, http.StatusBadRequest, string(text))
		return
	}
	reply(w, 200, "{}")
}

type transactionStats struct {
	Requests int `json:"requests"`
	Distinct int `json:"distinct"`
	Repeated int `json:"repeated"`
}

type stats struct {
	Target       *string            `json:"target"`
	Setting      setting            `json:"setting"`
	Transactions transactionStats   `json:"transactions"`
	Classes      map[string]*counts `json:"classes"`
}

// stats copies the numbers, so that they are encoded without holding the lock.
func (s *state) stats() stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := stats{Setting: s.setting, Classes: map[string]*counts{}}
	if s.target != nil {
		target := s.target.String()
		out.Target = &target
	}
	for name, c := range s.classes {
		copied := &counts{Requests: c.Requests, Statuses: map[string]int{}}
		for status, n := range c.Statuses {
			copied.Statuses[status] = n
		}
		out.Classes[name] = copied
	}
	for _, times := range s.txns {
		out.Transactions.Requests += times
		out.Transactions.Distinct++
		if times > 1 {
			out.Transactions.Repeated++
		}
	}
	return out
}
