package main

import (
	"context"

	"maunium.net/go/mautrix/bridgev2"
	"maunium.net/go/mautrix/bridgev2/matrix"
	"maunium.net/go/mautrix/id"
)

// puppetGate decides per Matrix user whether appservice double puppeting is used.
//
// With a secret for the domain bridgev2 puppets every user of it, but tests need customers of
// both kinds side by side. Everything else goes to the real Matrix connector unchanged.
type puppetGate struct {
	*matrix.Connector
}

func (g *puppetGate) NewUserIntent(ctx context.Context, user id.UserID, token string) (bridgev2.MatrixAPI, string, error) {
	logins, err := g.Bridge.DB.UserLogin.GetAllForUser(ctx, user)
	if err != nil {
		return nil, token, err
	}
	for _, login := range logins {
		if meta, ok := login.Metadata.(*LoginMetadata); ok && meta.DoublePuppet {
			return g.Connector.NewUserIntent(ctx, user, token)
		}
	}
	return nil, token, nil
}
