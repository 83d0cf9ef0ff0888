package main

import (
	"context"

	"maunium.net/go/mautrix/bridgev2/status"
	"maunium.net/go/mautrix/id"
)

type loginRequest struct {
	UserID       id.UserID `json:"userId"`
	RemoteID     string    `json:"remoteId"`
	RemoteName   string    `json:"remoteName"`
	DoublePuppet bool      `json:"doublePuppet"`
}

type loginResponse struct {
	LoginID      string `json:"loginId"`
	GhostID      string `json:"ghostId"`
	DoublePuppet bool   `json:"doublePuppet"`
}

// login adds a remote account without interaction. Repeated, it updates name and puppeting.
func (c *control) login(ctx context.Context, req *loginRequest) (*loginResponse, error) {
	if _, _, err := req.UserID.Parse(); err != nil || req.RemoteID == "" {
		return nil, badRequest("userId and remoteId are needed")
	}
	user, err := c.bridge.GetUserByMXID(ctx, req.UserID)
	if err != nil {
		return nil, err
	}
	login, err := createLogin(ctx, user, req.RemoteID, req.RemoteName, req.DoublePuppet)
	if err != nil {
		return nil, err
	}
	puppet := user.DoublePuppet(ctx) != nil
	if req.DoublePuppet && !puppet {
		return nil, &controlError{502, "the homeserver refused the double puppet"}
	}
	return &loginResponse{
		LoginID:      string(login.ID),
		GhostID:      string(c.bridge.Matrix.(*puppetGate).FormatGhostMXID(sender(login, req.RemoteID).Sender)),
		DoublePuppet: puppet,
	}, nil
}

type logoutRequest struct {
	RemoteID string `json:"remoteId"`
}

// logout removes the account; bridgev2 announces LOGGED_OUT. Its rooms stay as they are.
func (c *control) logout(ctx context.Context, req *logoutRequest) (empty, error) {
	login, err := c.loginOf(ctx, req.RemoteID)
	if err == nil {
		login.Logout(ctx)
	}
	return empty{}, err
}

type stateRequest struct {
	RemoteID   string `json:"remoteId"`
	StateEvent string `json:"stateEvent"`
	Error      string `json:"error"`
	Message    string `json:"message"`
}

// state announces a bridge state. bridgev2 keeps one that equals the last to itself.
func (c *control) state(ctx context.Context, req *stateRequest) (empty, error) {
	login, err := c.loginOf(ctx, req.RemoteID)
	if err != nil {
		return empty{}, err
	}
	login.Client.(*Client).setState(status.BridgeState{
		StateEvent: status.BridgeStateEvent(req.StateEvent),
		Error:      status.BridgeStateErrorCode(req.Error),
		Message:    req.Message,
	})
	return empty{}, nil
}
