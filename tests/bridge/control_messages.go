package main

import (
	"context"
	"fmt"

	"maunium.net/go/mautrix/bridgev2"
	"maunium.net/go/mautrix/bridgev2/networkid"
	"maunium.net/go/mautrix/id"
)

type mediaRequest struct {
	Filename   string `json:"filename"`
	MimeType   string `json:"mimeType"`
	Data       []byte `json:"data"` // base64 in JSON
	Width      int    `json:"width"`
	Height     int    `json:"height"`
	DurationMS int    `json:"durationMs"`
	Voice      bool   `json:"voice"`
}

type messageRequest struct {
	RemoteID  string        `json:"remoteId"`
	ChatID    string        `json:"chatId"`
	SenderID  string        `json:"senderId"`
	MessageID string        `json:"messageId"`
	Text      string        `json:"text"`
	HTML      string        `json:"html"`
	MsgType   string        `json:"msgtype"`
	GeoURI    string        `json:"geoUri"`
	Timestamp int64         `json:"timestamp"`
	ReplyTo   string        `json:"replyTo"`
	Media     *mediaRequest `json:"media"`
}

type messageResponse struct {
	MessageID networkid.MessageID `json:"messageId"`
	EventID   id.EventID          `json:"eventId"`
}

// message bridges one message; it is the login's own when senderId is the login's remote id.
func (c *control) message(ctx context.Context, req *messageRequest) (*messageResponse, error) {
	login, portal, err := c.chatOf(ctx, req.RemoteID, req.ChatID)
	if err != nil {
		return nil, err
	}
	message := networkid.MessageID(req.MessageID)
	if message == "" {
		message = newMessageID()
	}
	base := meta(login, bridgev2.RemoteEventMessage, portal.PortalKey, req.SenderID, req.Timestamp)
	if err = queue(login, messageEvent(base, message, req)); err != nil {
		return nil, err
	}
	part, err := c.bridge.DB.Message.GetFirstPartByID(ctx, portal.Receiver, message)
	if err != nil || part == nil {
		return nil, fmt.Errorf("message %s is not in the bridge's database: %w", message, err)
	}
	return &messageResponse{message, part.MXID}, nil
}

type messagesRequest struct {
	RemoteID  string `json:"remoteId"`
	ChatID    string `json:"chatId"`
	SenderID  string `json:"senderId"`
	Count     int    `json:"count"`
	Prefix    string `json:"prefix"`
	Timestamp int64  `json:"timestamp"` // of the first one; now when absent
	StepMS    int64  `json:"stepMs"`    // from one to the next
}

type messagesResponse struct {
	Messages []*messageResponse `json:"messages"`
}

// messages bridges "prefix 1" to "prefix count" in order. With old timestamps they arrive as a
// bridge's backfill does on a plain homeserver: ordinary sends with another time.
func (c *control) messages(ctx context.Context, req *messagesRequest) (*messagesResponse, error) {
	resp := &messagesResponse{Messages: make([]*messageResponse, 0, req.Count)}
	for i := range req.Count {
		one := &messageRequest{
			RemoteID: req.RemoteID, ChatID: req.ChatID, SenderID: req.SenderID,
			Text: fmt.Sprintf("%s %d", req.Prefix, i+1),
		}
		if req.Timestamp != 0 {
			one.Timestamp = req.Timestamp + int64(i)*req.StepMS
		}
		sent, err := c.message(ctx, one)
		if err != nil {
			return nil, fmt.Errorf("message %d of %d: %w", i+1, req.Count, err)
		}
		resp.Messages = append(resp.Messages, sent)
	}
	return resp, nil
}

// edit gives a message another text. Only its own sender can.
func (c *control) edit(ctx context.Context, req *messageRequest) (empty, error) {
	login, portal, err := c.chatOf(ctx, req.RemoteID, req.ChatID)
	if err != nil {
		return empty{}, err
	}
	base := meta(login, bridgev2.RemoteEventEdit, portal.PortalKey, req.SenderID, req.Timestamp)
	return empty{}, queue(login, editEvent(base, networkid.MessageID(req.MessageID), req))
}
