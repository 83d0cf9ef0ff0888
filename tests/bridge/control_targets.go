package main

import (
	"context"
	"time"

	"maunium.net/go/mautrix/bridgev2"
	"maunium.net/go/mautrix/bridgev2/networkid"
	"maunium.net/go/mautrix/bridgev2/simplevent"
	"maunium.net/go/mautrix/id"
)

// targetRequest is about a message that was bridged before, or about a person in a chat.
type targetRequest struct {
	RemoteID  string `json:"remoteId"`
	ChatID    string `json:"chatId"`
	SenderID  string `json:"senderId"`
	MessageID string `json:"messageId"`
	Emoji     string `json:"emoji"`
	Remove    bool   `json:"remove"`
	Timestamp int64  `json:"timestamp"`
	TimeoutMS int64  `json:"timeoutMs"`
}

type eventResponse struct {
	EventID id.EventID `json:"eventId,omitempty"`
}

// react sets or removes a person's reaction: Messenger allows one each, so a new one replaces it.
func (c *control) react(ctx context.Context, req *targetRequest) (*eventResponse, error) {
	login, portal, err := c.chatOf(ctx, req.RemoteID, req.ChatID)
	if err != nil {
		return nil, err
	}
	kind := bridgev2.RemoteEventReaction
	if req.Remove {
		kind = bridgev2.RemoteEventReactionRemove
	}
	target := networkid.MessageID(req.MessageID)
	base := meta(login, kind, portal.PortalKey, req.SenderID, req.Timestamp)
	if err = queue(login, &simplevent.Reaction{EventMeta: base, TargetMessage: target, Emoji: req.Emoji}); err != nil {
		return nil, err
	}
	resp := &eventResponse{}
	person := networkid.UserID(req.SenderID)
	if row, err := c.bridge.DB.Reaction.GetByIDWithoutMessagePart(ctx, portal.Receiver, target, person, ""); err == nil && row != nil {
		resp.EventID = row.MXID
	}
	return resp, nil
}

// unsend redacts every event of a message.
func (c *control) unsend(ctx context.Context, req *targetRequest) (empty, error) {
	login, portal, err := c.chatOf(ctx, req.RemoteID, req.ChatID)
	if err != nil {
		return empty{}, err
	}
	base := meta(login, bridgev2.RemoteEventMessageRemove, portal.PortalKey, req.SenderID, req.Timestamp)
	return empty{}, queue(login, &simplevent.MessageRemove{
		EventMeta: base, TargetMessage: networkid.MessageID(req.MessageID),
	})
}

// typing shows a person typing for timeoutMs; zero stops it.
func (c *control) typing(ctx context.Context, req *targetRequest) (empty, error) {
	login, portal, err := c.chatOf(ctx, req.RemoteID, req.ChatID)
	if err != nil {
		return empty{}, err
	}
	base := meta(login, bridgev2.RemoteEventTyping, portal.PortalKey, req.SenderID, 0)
	return empty{}, queue(login, &simplevent.Typing{
		EventMeta: base, Timeout: time.Duration(req.TimeoutMS) * time.Millisecond,
	})
}

// read moves a person's read receipt to a message.
func (c *control) read(ctx context.Context, req *targetRequest) (empty, error) {
	login, portal, err := c.chatOf(ctx, req.RemoteID, req.ChatID)
	if err != nil {
		return empty{}, err
	}
	base := meta(login, bridgev2.RemoteEventReadReceipt, portal.PortalKey, req.SenderID, req.Timestamp)
	return empty{}, queue(login, &simplevent.Receipt{
		EventMeta: base, LastTarget: networkid.MessageID(req.MessageID),
	})
}
