package main

import (
	"context"

	"maunium.net/go/mautrix/bridgev2"
	"maunium.net/go/mautrix/bridgev2/database"
	"maunium.net/go/mautrix/bridgev2/networkid"
)

// Without these the library answers what a customer does in their Matrix client with notices.
var (
	_ bridgev2.EditHandlingNetworkAPI        = (*Client)(nil)
	_ bridgev2.ReactionHandlingNetworkAPI    = (*Client)(nil)
	_ bridgev2.RedactionHandlingNetworkAPI   = (*Client)(nil)
	_ bridgev2.ReadReceiptHandlingNetworkAPI = (*Client)(nil)
)

func (c *Client) HandleMatrixEdit(context.Context, *bridgev2.MatrixEdit) error { return nil }

// PreHandleMatrixReaction takes any emoji; as on Messenger everybody has one per message.
func (c *Client) PreHandleMatrixReaction(_ context.Context, msg *bridgev2.MatrixReaction) (bridgev2.MatrixReactionPreResponse, error) {
	return bridgev2.MatrixReactionPreResponse{
		SenderID:     networkid.UserID(c.login.ID),
		Emoji:        msg.Content.RelatesTo.Key,
		MaxReactions: 1,
	}, nil
}

func (c *Client) HandleMatrixReaction(context.Context, *bridgev2.MatrixReaction) (*database.Reaction, error) {
	return &database.Reaction{}, nil
}

func (c *Client) HandleMatrixReactionRemove(context.Context, *bridgev2.MatrixReactionRemove) error {
	return nil
}

func (c *Client) HandleMatrixMessageRemove(context.Context, *bridgev2.MatrixMessageRemove) error {
	return nil
}

func (c *Client) HandleMatrixReadReceipt(context.Context, *bridgev2.MatrixReadReceipt) error {
	return nil
}
