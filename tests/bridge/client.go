package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"go.mau.fi/util/random"
	"maunium.net/go/mautrix/bridgev2"
	"maunium.net/go/mautrix/bridgev2/database"
	"maunium.net/go/mautrix/bridgev2/networkid"
	"maunium.net/go/mautrix/bridgev2/status"
	"maunium.net/go/mautrix/event"
)

// Client is one login's connection to the imaginary network.
type Client struct {
	login    *bridgev2.UserLogin
	loggedIn atomic.Bool
}

var _ bridgev2.NetworkAPI = (*Client)(nil)

func (c *Client) Connect(context.Context) {
	c.setState(status.BridgeState{StateEvent: status.StateConnected})
}

func (c *Client) Disconnect() { c.loggedIn.Store(false) }

func (c *Client) LogoutRemote(context.Context) { c.loggedIn.Store(false) }

func (c *Client) IsLoggedIn() bool { return c.loggedIn.Load() }

func (c *Client) IsThisUser(_ context.Context, id networkid.UserID) bool {
	return networkid.UserLoginID(id) == c.login.ID
}

// setState announces a bridge state and lets IsLoggedIn agree with it.
func (c *Client) setState(state status.BridgeState) {
	switch state.StateEvent {
	case status.StateBadCredentials, status.StateLoggedOut:
		c.loggedIn.Store(false)
	case status.StateConnected:
		c.loggedIn.Store(true)
	}
	c.login.BridgeState.Send(state)
}

func (c *Client) GetChatInfo(_ context.Context, portal *bridgev2.Portal) (*bridgev2.ChatInfo, error) {
	meta, ok := portal.Metadata.(*PortalMetadata)
	if !ok || meta.Type == "" {
		return nil, fmt.Errorf("chat %s was never described", portal.ID)
	}
	return chatInfo(c.login, *meta), nil
}

// GetUserInfo has nothing to add: names come with the member lists.
func (c *Client) GetUserInfo(context.Context, *bridgev2.Ghost) (*bridgev2.UserInfo, error) {
	return nil, nil
}

func (c *Client) GetCapabilities(context.Context, *bridgev2.Portal) *event.RoomFeatures {
	return &event.RoomFeatures{
		ID:       "fi.mau.meta.capabilities.test",
		Reply:    event.CapLevelFullySupported,
		Edit:     event.CapLevelFullySupported,
		Delete:   event.CapLevelFullySupported,
		Reaction: event.CapLevelFullySupported,
	}
}

// HandleMatrixMessage accepts whatever is sent from Matrix: the imaginary network never refuses.
func (c *Client) HandleMatrixMessage(_ context.Context, _ *bridgev2.MatrixMessage) (*bridgev2.MatrixMessageResponse, error) {
	return &bridgev2.MatrixMessageResponse{DB: &database.Message{
		ID:        newMessageID(),
		SenderID:  networkid.UserID(c.login.ID),
		Timestamp: time.Now(),
	}}, nil
}

func newMessageID() networkid.MessageID {
	return networkid.MessageID("mid." + random.String(22))
}
