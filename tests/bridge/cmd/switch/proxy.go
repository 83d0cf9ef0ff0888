package main

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// proxy treats each request as the state says at the moment it arrives.
type proxy struct {
	state     *state
	transport *http.Transport
}

func newProxy(s *state) http.Handler {
	// Nothing is decoded on the way, and no proxy of the environment gets between.
	return &proxy{s, &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 64}}
}

func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	class := classOf(r.URL.Path)
	target, mode, delay, released := p.state.admit(class, r.URL.Path)
	select {
	case <-time.After(delay):
	case <-r.Context().Done():
		return
	}
	// Without this the server closes the request's body when the answer begins, and a target
	// that answers very fast would have its answer cut off.
	_ = http.NewResponseController(w).EnableFullDuplex()
	seen := &statusWriter{ResponseWriter: w}
	// Deferred, since a sender that leaves before the end of the answer ends in a panic.
	defer func() { p.state.outcome(class, seen.outcome) }()
	switch {
	case mode == modeRefuse:
		refuse(seen, http.StatusBadGateway)
	case mode == modeHang:
		seen.outcome = "hung"
		hang(r, released)
	case target == nil && class == "bridge":
		// The bridge's start waits for somebody to take its status.
		reply(seen, http.StatusOK, "{}")
	case target == nil:
		refuse(seen, http.StatusServiceUnavailable)
	case mode == modeDropResponse:
		p.pass(class, target, &statusWriter{ResponseWriter: &discard{header: http.Header{}}}, r)
		seen.outcome = "dropped"
		panic(http.ErrAbortHandler)
	default:
		p.pass(class, target, seen, r)
	}
}

// pass passes a request on; of a transaction it notes what it brought and what the target made of it.
func (p *proxy) pass(class string, target *url.URL, w *statusWriter, r *http.Request) {
	if class == "transactions" {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			refuse(w, http.StatusBadGateway)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		began := time.Now()
		// Deferred, since a sender may leave before the end of the answer.
		defer func() { p.state.pushed(began, w, body) }()
	}
	p.forward(target).ServeHTTP(w, r)
}

// forward passes everything on as it is, the Host header too: Origin checks compare with it.
func (p *proxy) forward(target *url.URL) http.Handler {
	return &httputil.ReverseProxy{
		Transport:     p.transport,
		FlushInterval: -1,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = r.In.Host
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { refuse(w, http.StatusBadGateway) },
	}
}

// hang takes the request and breaks the connection when its sender leaves or the mode changes.
func hang(r *http.Request, released <-chan struct{}) {
	// The server notices that the sender is gone only after the body has been read.
	_, _ = io.Copy(io.Discard, r.Body)
	select {
	case <-r.Context().Done():
	case <-released:
	}
	panic(http.ErrAbortHandler)
}

func refuse(w http.ResponseWriter, code int) {
	reply(w, code, `{"errcode":"M_UNKNOWN","error":"`+strings.ToLower(http.StatusText(code))+`"}`)
}

func reply(w http.ResponseWriter, code int, body string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = io.WriteString(w, body)
}

// statusWriter remembers the status, or what happened instead, for the statistics.
type statusWriter struct {
	http.ResponseWriter
	outcome  string
	answered time.Time // when the answer began
}

func (w *statusWriter) WriteHeader(code int) {
	w.outcome, w.answered = strconv.Itoa(code), time.Now()
	w.ResponseWriter.WriteHeader(code)
}

// Unwrap lets the reverse proxy flush.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Hijack lets it take the connection over for a WebSocket.
func (w *statusWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	w.outcome = strconv.Itoa(http.StatusSwitchingProtocols)
	return http.NewResponseController(w.ResponseWriter).Hijack()
}

// discard is a response that goes nowhere.
type discard struct{ header http.Header }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }
func (d *discard) WriteHeader(int)             {}
