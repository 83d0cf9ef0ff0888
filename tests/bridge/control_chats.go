package main

import (
	"context"

	"maunium.net/go/mautrix/bridgev2"
	"maunium.net/go/mautrix/bridgev2/networkid"
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

type reIDRequest struct {
	RemoteID  string `json:"remoteId"`
	ChatID    string `json:"chatId"`
	NewChatID string `json:"newChatId"`
}

type reIDResponse struct {
	Result string    `json:"result"`
	RoomID id.RoomID `json:"roomId"`
}

// reID gives a chat another id: its room goes on under it, or, when there is a room of that id
// already, is tombstoned into that one. bridgev2 does the latter in the background.
func (c *control) reID(ctx context.Context, req *reIDRequest) (*reIDResponse, error) {
	if req.NewChatID == "" || req.NewChatID == req.ChatID {
		return nil, badRequest("newChatId is needed, and another one than chatId")
	}
	_, portal, err := c.chatOf(ctx, req.RemoteID, req.ChatID)
	if err != nil {
		return nil, err
	}
	target := portal.PortalKey
	target.ID = networkid.PortalID(req.NewChatID)
	result, portal, err := c.bridge.ReIDPortal(ctx, portal.PortalKey, target)
	if err != nil {
		return nil, err
	}
	if portal == nil {
		return nil, notFound("no room of chat %q", req.ChatID)
	}
	// The library leaves m.bridge as it was until something else changes.
	portal.UpdateBridgeInfo(ctx)
	return &reIDResponse{result.String(), portal.MXID}, nil
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
