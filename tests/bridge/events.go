package main

import (
	"context"
	"errors"
	"time"

	"maunium.net/go/mautrix/bridgev2"
	"maunium.net/go/mautrix/bridgev2/database"
	"maunium.net/go/mautrix/bridgev2/networkid"
	"maunium.net/go/mautrix/bridgev2/simplevent"
	"maunium.net/go/mautrix/event"
)

// queue hands an event to bridgev2 and returns when it has been dealt with.
func queue(login *bridgev2.UserLogin, evt bridgev2.RemoteEvent) error {
	result := login.QueueRemoteEvent(evt)
	switch {
	case errors.Is(result.Error, bridgev2.ErrHandlerBackgrounded):
		return &controlError{504, "the bridge is still busy with this event"}
	case result.Error != nil:
		return result.Error
	case result.Ignored:
		return &controlError{409, "the bridge ignored this event: a duplicate, or its target is unknown"}
	case !result.Success:
		return &controlError{502, "the bridge could not handle this event, its log says why"}
	}
	return nil
}

// meta is what all events of a chat have in common.
func meta(login *bridgev2.UserLogin, kind bridgev2.RemoteEventType, key networkid.PortalKey, from string, millis int64) simplevent.EventMeta {
	m := simplevent.EventMeta{
		Type:      kind,
		PortalKey: key,
		Sender:    sender(login, from),
		Timestamp: time.Now(),
	}
	if millis != 0 {
		m.Timestamp = time.UnixMilli(millis)
	}
	return m
}

// content is the Matrix form of a message; media is uploaded while it is converted.
func content(req *messageRequest) *event.MessageEventContent {
	c := &event.MessageEventContent{MsgType: event.MsgText, Body: req.Text}
	if req.MsgType != "" {
		c.MsgType = event.MessageType(req.MsgType)
	}
	c.GeoURI = req.GeoURI
	if req.HTML != "" {
		c.Format, c.FormattedBody = event.FormatHTML, req.HTML
	}
	return c
}

// messageEvent is a new message, with its reply and media if it has them.
func messageEvent(base simplevent.EventMeta, id networkid.MessageID, req *messageRequest) bridgev2.RemoteEvent {
	return &simplevent.Message[*messageRequest]{
		EventMeta: base,
		Data:      req,
		ID:        id,
		ConvertMessageFunc: func(ctx context.Context, portal *bridgev2.Portal, intent bridgev2.MatrixAPI, req *messageRequest) (*bridgev2.ConvertedMessage, error) {
			c := content(req)
			if req.Media != nil {
				if err := attach(ctx, portal, intent, c, req.Media); err != nil {
					return nil, err
				}
			}
			kind := event.EventMessage
			if c.MsgType == event.MessageType(event.EventSticker.Type) {
				kind, c.MsgType, c.FileName = event.EventSticker, "", ""
			}
			converted := &bridgev2.ConvertedMessage{Parts: []*bridgev2.ConvertedMessagePart{{
				Type: kind, Content: c,
			}}}
			if req.ReplyTo != "" {
				converted.ReplyTo = &networkid.MessageOptionalPartID{MessageID: networkid.MessageID(req.ReplyTo)}
			}
			return converted, nil
		},
	}
}

// attach uploads the media as the sender. A caption differs from the file's name.
func attach(ctx context.Context, portal *bridgev2.Portal, intent bridgev2.MatrixAPI, c *event.MessageEventContent, media *mediaRequest) (err error) {
	c.URL, c.File, err = intent.UploadMedia(ctx, portal.MXID, media.Data, media.Filename, media.MimeType)
	c.Info = &event.FileInfo{
		MimeType: media.MimeType, Size: len(media.Data),
		Width: media.Width, Height: media.Height, Duration: media.DurationMS,
	}
	c.FileName = media.Filename
	if media.Voice {
		c.MSC1767Audio = &event.MSC1767Audio{Duration: media.DurationMS}
		c.MSC3245Voice = &event.MSC3245Voice{}
	}
	if c.Body == "" {
		c.Body = media.Filename
	}
	return err
}

// editEvent replaces the text of a message that was bridged before.
func editEvent(base simplevent.EventMeta, target networkid.MessageID, req *messageRequest) bridgev2.RemoteEvent {
	return &simplevent.Message[*messageRequest]{
		EventMeta:     base,
		Data:          req,
		TargetMessage: target,
		ConvertEditFunc: func(_ context.Context, _ *bridgev2.Portal, _ bridgev2.MatrixAPI, existing []*database.Message, req *messageRequest) (*bridgev2.ConvertedEdit, error) {
			return &bridgev2.ConvertedEdit{ModifiedParts: []*bridgev2.ConvertedEditPart{{
				Part: existing[0], Type: event.EventMessage, Content: content(req),
			}}}, nil
		},
	}
}
