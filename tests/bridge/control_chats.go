package main

import (
	"context"

	"maunium.net/go/mautrix/bridgev2"
	"maunium.net/go/mautrix/bridgev2/simplevent"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"
)

type chatRequest struct {
	RemoteID string   `json:"remoteId"`
	ChatID   string   `json:"chatId"`
	Type     string   `json:"type"`
	Name     *string  `json:"name"`
	Members  []Person `json:"members"`
}

type chatResponse struct {
	RoomID id.RoomID `json:"roomId"`
}

// chat creates a chat's room, or brings it to the given name and members.
func (c *control) chat(ctx context.Context, req *chatRequest) (*chatResponse, error) {
	if req.ChatID == "" || (req.Type != chatDM && req.Type != chatGroup) {
		return nil, badRequest("chatId is needed, and type %q or %q", chatDM, chatGroup)
	}
	login, err := c.loginOf(ctx, req.RemoteID)
	if err != nil {
		return nil, err
	}
	base := meta(login, bridgev2.RemoteEventChatResync, portalKey(login, req.ChatID, req.Type), "", 0)
	base.CreatePortal = true
	err = queue(login, &simplevent.ChatResync{EventMeta: base, ChatInfo: chatInfo(login, PortalMetadata{
		Type: req.Type, Name: req.Name, Members: withLogin(login, req.Members),
	})})
	if err != nil {
		return nil, err
	}
	portal, err := findPortal(ctx, login, req.ChatID)
	if err != nil {
		return nil, err
	}
	return &chatResponse{portal.MXID}, nil
}

type deleteChatRequest struct {
	RemoteID  string `json:"remoteId"`
	ChatID    string `json:"chatId"`
	OnlyForMe bool   `json:"onlyForMe"`
}

// deleteChat empties the room and forgets it. Only for one login, a shared group keeps the others.
func (c *control) deleteChat(ctx context.Context, req *deleteChatRequest) (*chatResponse, error) {
	login, portal, err := c.chatOf(ctx, req.RemoteID, req.ChatID)
	if err != nil {
		return nil, err
	}
	room := portal.MXID
	base := meta(login, bridgev2.RemoteEventChatDelete, portal.PortalKey, req.RemoteID, 0)
	return &chatResponse{room}, queue(login, &simplevent.ChatDelete{EventMeta: base, OnlyForMe: req.OnlyForMe})
}

type memberRequest struct {
	RemoteID string `json:"remoteId"`
	ChatID   string `json:"chatId"`
	MemberID string `json:"memberId"`
	Name     string `json:"name"`
	ByID     string `json:"byId"`
}

func (c *control) join(ctx context.Context, req *memberRequest) (empty, error) {
	return empty{}, c.changeMember(ctx, req, event.MembershipJoin)
}

func (c *control) leave(ctx context.Context, req *memberRequest) (empty, error) {
	return empty{}, c.changeMember(ctx, req, event.MembershipLeave)
}

// changeMember is a live change by byId, or by the bot: mautrix-meta never says who did it.
// The login itself can be the member.
func (c *control) changeMember(ctx context.Context, req *memberRequest, to event.Membership) error {
	login, portal, err := c.chatOf(ctx, req.RemoteID, req.ChatID)
	if err != nil {
		return err
	}
	if req.MemberID == "" {
		return badRequest("memberId is needed")
	}
	base := meta(login, bridgev2.RemoteEventChatInfoChange, portal.PortalKey, req.ByID, 0)
	changes := bridgev2.ChatMemberMap{}
	changes.Set(member(login, Person{ID: req.MemberID, Name: req.Name}, to))
	return queue(login, &simplevent.ChatInfoChange{EventMeta: base, ChatInfoChange: &bridgev2.ChatInfoChange{
		MemberChanges: &bridgev2.ChatMemberList{MemberMap: changes},
	}})
}
