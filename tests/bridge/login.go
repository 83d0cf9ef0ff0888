package main

import (
	"context"
	"fmt"

	"maunium.net/go/mautrix/bridgev2"
	"maunium.net/go/mautrix/bridgev2/database"
	"maunium.net/go/mautrix/bridgev2/networkid"
	"maunium.net/go/mautrix/bridgev2/status"
)

const (
	flowID      = "imaginary"
	stepInput   = "test.tributary.login.account"
	stepDone    = "test.tributary.login.complete"
	fieldRemote = "remote_id"
	fieldName   = "remote_name"
)

// createLogin adds the remote account to the Matrix user and connects it.
func createLogin(ctx context.Context, user *bridgev2.User, remoteID, name string, puppet bool) (*bridgev2.UserLogin, error) {
	login, err := user.NewLogin(ctx, &database.UserLogin{
		ID:            networkid.UserLoginID(remoteID),
		RemoteName:    name,
		RemoteProfile: status.RemoteProfile{Name: name},
		Metadata:      &LoginMetadata{DoublePuppet: puppet},
	}, nil)
	if err != nil {
		return nil, err
	}
	// Forgets a decision made before this login existed; the next use asks the gate again.
	user.LogoutDoublePuppet(ctx)
	login.Client.Connect(login.Log.WithContext(user.Bridge.BackgroundCtx))
	return login, nil
}

// loginProcess is the interactive login that provisioning offers: one form, then done.
type loginProcess struct {
	user *bridgev2.User
}

var _ bridgev2.LoginProcessUserInput = (*loginProcess)(nil)

func (p *loginProcess) Start(context.Context) (*bridgev2.LoginStep, error) {
	return &bridgev2.LoginStep{
		Type:         bridgev2.LoginStepTypeUserInput,
		StepID:       stepInput,
		Instructions: "Which account of the imaginary network is yours?",
		UserInputParams: &bridgev2.LoginUserInputParams{Fields: []bridgev2.LoginInputDataField{
			{Type: bridgev2.LoginInputFieldTypeUsername, ID: fieldRemote, Name: "Remote id", Pattern: "^[0-9]+$"},
			{Type: bridgev2.LoginInputFieldTypeUsername, ID: fieldName, Name: "Name"},
		}},
	}, nil
}

func (p *loginProcess) Cancel() {}

// SubmitUserInput finishes the login. Like a bridge with a shared secret, it puppets everybody.
func (p *loginProcess) SubmitUserInput(ctx context.Context, input map[string]string) (*bridgev2.LoginStep, error) {
	if input[fieldRemote] == "" {
		return nil, fmt.Errorf("%s is missing", fieldRemote)
	}
	login, err := createLogin(ctx, p.user, input[fieldRemote], input[fieldName], true)
	if err != nil {
		return nil, err
	}
	return &bridgev2.LoginStep{
		Type:         bridgev2.LoginStepTypeComplete,
		StepID:       stepDone,
		Instructions: "Logged in as " + login.RemoteName,
		CompleteParams: &bridgev2.LoginCompleteParams{
			UserLoginID: login.ID,
			UserLogin:   login,
		},
	}, nil
}
