package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"

	"maunium.net/go/mautrix/bridgev2"
	"maunium.net/go/mautrix/bridgev2/networkid"
)

// control answers the test's orders about what happens on the remote network.
type control struct {
	bridge *bridgev2.Bridge
}

// controlError is an error with the status code it is answered with.
type controlError struct {
	status  int
	message string
}

func (e *controlError) Error() string { return e.message }

func notFound(format string, args ...any) error {
	return &controlError{http.StatusNotFound, fmt.Sprintf(format, args...)}
}

func badRequest(format string, args ...any) error {
	return &controlError{http.StatusBadRequest, fmt.Sprintf(format, args...)}
}

type empty struct{}

// serveControl listens once the bridge is up, so that /health answering means it is.
func serveControl(addr string, bridge *bridgev2.Bridge) {
	if addr == "" {
		return
	}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		log.Fatalf("control port: %v", err)
	}
	if tcp, ok := listener.Addr().(*net.TCPAddr); !ok || !tcp.IP.IsLoopback() {
		// It has no authentication: whoever reaches it speaks for every remote user.
		log.Fatalf("control port: %s is not a loopback address", addr)
	}
	go func() { log.Fatalf("control port: %v", http.Serve(listener, (&control{bridge}).routes())) }()
}

func (c *control) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) { answer(w, 200, empty{}) })
	mux.HandleFunc("POST /login", order(c.login))
	mux.HandleFunc("POST /logout", order(c.logout))
	mux.HandleFunc("POST /state", order(c.state))
	mux.HandleFunc("POST /chat", order(c.chat))
	mux.HandleFunc("POST /delete-chat", order(c.deleteChat))
	mux.HandleFunc("POST /reid", order(c.reID))
	mux.HandleFunc("POST /join", order(c.join))
	mux.HandleFunc("POST /leave", order(c.leave))
	mux.HandleFunc("POST /message", order(c.message))
	mux.HandleFunc("POST /messages", order(c.messages))
	mux.HandleFunc("POST /edit", order(c.edit))
	mux.HandleFunc("POST /react", order(c.react))
	mux.HandleFunc("POST /unsend", order(c.unsend))
	mux.HandleFunc("POST /typing", order(c.typing))
	mux.HandleFunc("POST /read", order(c.read))
	return mux
}

// order makes a handler of a function from a decoded request to an answer.
func order[Req, Resp any](do func(context.Context, *Req) (Resp, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var req Req
		decoder := json.NewDecoder(r.Body)
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&req); err != nil {
			answer(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
			return
		}
		resp, err := do(r.Context(), &req)
		if err == nil {
			answer(w, http.StatusOK, resp)
			return
		}
		code := http.StatusInternalServerError
		var known *controlError
		if errors.As(err, &known) {
			code = known.status
		}
		answer(w, code, map[string]string{"error": err.Error()})
	}
}

func answer(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(body)
}

// loginOf finds the login with this remote id.
func (c *control) loginOf(ctx context.Context, remoteID string) (*bridgev2.UserLogin, error) {
	login, err := c.bridge.GetExistingUserLoginByID(ctx, networkid.UserLoginID(remoteID))
	if err == nil && login == nil {
		err = notFound("no login %q", remoteID)
	}
	return login, err
}

// chatOf finds a login and one of its chats: what most orders start with.
func (c *control) chatOf(ctx context.Context, remoteID, chatID string) (*bridgev2.UserLogin, *bridgev2.Portal, error) {
	login, err := c.loginOf(ctx, remoteID)
	if err != nil {
		return nil, nil, err
	}
	portal, err := findPortal(ctx, login, chatID)
	return login, portal, err
}
