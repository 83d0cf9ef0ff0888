package main

import (
	"context"
	"fmt"

	"go.mau.fi/util/configupgrade"
	"maunium.net/go/mautrix/bridgev2"
	"maunium.net/go/mautrix/bridgev2/database"
)

// Connector is the network side of the bridge, with the names mautrix-meta uses for Messenger.
type Connector struct {
	bridge *bridgev2.Bridge
}

var _ bridgev2.NetworkConnector = (*Connector)(nil)

// LoginMetadata is what the bridge's database keeps of a login.
type LoginMetadata struct {
	DoublePuppet bool `json:"double_puppet"`
}

// PortalMetadata is the remote side's view of a chat, kept so that it survives a restart.
type PortalMetadata struct {
	Type    string   `json:"type"`
	Name    *string  `json:"name,omitempty"`
	Members []Person `json:"members"`
}

func (c *Connector) Init(bridge *bridgev2.Bridge) { c.bridge = bridge }

func (c *Connector) Start(context.Context) error { return nil }

func (c *Connector) GetName() bridgev2.BridgeName {
	return bridgev2.BridgeName{
		DisplayName:          "Facebook Messenger",
		NetworkURL:           "https://www.facebook.com/messenger",
		NetworkIcon:          "mxc://maunium.net/ygtkteZsXnGJLJHRchUwYWak",
		NetworkID:            "facebook",
		BeeperBridgeType:     "facebookgo",
		DefaultPort:          29319,
		DefaultCommandPrefix: "!fb",
	}
}

func (c *Connector) GetDBMetaTypes() database.MetaTypes {
	return database.MetaTypes{
		UserLogin: func() any { return &LoginMetadata{} },
		Portal:    func() any { return &PortalMetadata{} },
	}
}

func (c *Connector) GetCapabilities() *bridgev2.NetworkGeneralCapabilities {
	return &bridgev2.NetworkGeneralCapabilities{}
}

func (c *Connector) GetConfig() (string, any, configupgrade.Upgrader) {
	return "", nil, configupgrade.NoopUpgrader
}

func (c *Connector) GetBridgeInfoVersion() (info, capabilities int) { return 1, 1 }

func (c *Connector) LoadUserLogin(_ context.Context, login *bridgev2.UserLogin) error {
	login.Client = &Client{login: login}
	return nil
}

func (c *Connector) GetLoginFlows() []bridgev2.LoginFlow {
	return []bridgev2.LoginFlow{{
		ID:          flowID,
		Name:        "Imaginary Messenger",
		Description: "Log in by naming the remote account",
	}}
}

func (c *Connector) CreateLogin(_ context.Context, user *bridgev2.User, flow string) (bridgev2.LoginProcess, error) {
	if flow != flowID {
		return nil, fmt.Errorf("unknown login flow %q", flow)
	}
	return &loginProcess{user: user}, nil
}
