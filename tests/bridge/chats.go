package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"

	"go.mau.fi/util/ptr"
	"maunium.net/go/mautrix/bridgev2"
	"maunium.net/go/mautrix/bridgev2/database"
	"maunium.net/go/mautrix/bridgev2/networkid"
	"maunium.net/go/mautrix/event"
)

const (
	chatDM    = "dm"
	chatGroup = "group"
)

// Person is somebody on the imaginary network.
type Person struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Avatar []byte `json:"avatar"` // base64 in JSON
}

// avatar is their picture, which bridgev2 uploads when its content is new.
func (p Person) avatar() *bridgev2.Avatar {
	hash := sha256.Sum256(p.Avatar)
	return &bridgev2.Avatar{
		ID:  networkid.AvatarID(hex.EncodeToString(hash[:])),
		Get: func(context.Context) ([]byte, error) { return p.Avatar, nil },
	}
}

// sender names a remote person the way mautrix-meta does: everybody might be a login here.
func sender(login *bridgev2.UserLogin, id string) bridgev2.EventSender {
	return bridgev2.EventSender{
		IsFromMe:    networkid.UserLoginID(id) == login.ID,
		Sender:      networkid.UserID(id),
		SenderLogin: networkid.UserLoginID(id),
	}
}

// portalKey gives direct chats a receiver, so that each login has its own; groups are shared.
func portalKey(login *bridgev2.UserLogin, chatID, kind string) networkid.PortalKey {
	key := networkid.PortalKey{ID: networkid.PortalID(chatID)}
	if kind == chatDM || login.Bridge.Config.SplitPortals {
		key.Receiver = login.ID
	}
	return key
}

// findPortal looks a chat up whatever its kind, and wants its Matrix room to exist.
func findPortal(ctx context.Context, login *bridgev2.UserLogin, chatID string) (*bridgev2.Portal, error) {
	portal, err := login.Bridge.GetExistingPortalByKey(ctx, portalKey(login, chatID, chatDM))
	if err != nil {
		return nil, err
	}
	if portal == nil || portal.MXID == "" {
		return nil, notFound("no chat %q of login %q", chatID, login.ID)
	}
	return portal, nil
}

// member is a person as bridgev2 wants them in a member list.
func member(login *bridgev2.UserLogin, person Person, membership event.Membership) bridgev2.ChatMember {
	m := bridgev2.ChatMember{EventSender: sender(login, person.ID), Membership: membership}
	if person.Name != "" {
		m.UserInfo = &bridgev2.UserInfo{Name: &person.Name}
	}
	if person.Avatar != nil && m.UserInfo != nil {
		m.UserInfo.Avatar = person.avatar()
	}
	return m
}

// chatInfo turns the remote view of a chat into what bridgev2 makes a room of.
// The member list is full: whoever is missing from it leaves the room.
func chatInfo(login *bridgev2.UserLogin, meta PortalMetadata) *bridgev2.ChatInfo {
	members := &bridgev2.ChatMemberList{
		IsFull:           true,
		TotalMemberCount: len(meta.Members),
		MemberMap:        bridgev2.ChatMemberMap{},
	}
	for _, person := range meta.Members {
		members.MemberMap.Set(member(login, person, event.MembershipJoin))
	}
	info := &bridgev2.ChatInfo{
		Members: members,
		// As in mautrix-meta a group has the default type, that is none in m.bridge.
		Type: ptr.Ptr(database.RoomTypeDefault),
		Name: meta.Name,
		ExtraUpdates: func(_ context.Context, portal *bridgev2.Portal) bool {
			*portal.Metadata.(*PortalMetadata) = meta
			return true
		},
	}
	if meta.Type == chatDM {
		info.Type = ptr.Ptr(database.RoomTypeDM)
		info.Name = nil // bridgev2 names a direct chat after the other person
		for _, person := range meta.Members {
			if person.ID != string(login.ID) {
				members.OtherUserID = networkid.UserID(person.ID)
			}
		}
	}
	return info
}

// withLogin makes sure that the login itself is among the members.
func withLogin(login *bridgev2.UserLogin, people []Person) []Person {
	self := Person{ID: string(login.ID), Name: login.RemoteName}
	if slices.ContainsFunc(people, func(p Person) bool { return p.ID == self.ID }) {
		return people
	}
	return append([]Person{self}, people...)
}
