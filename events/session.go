package events

import "github.com/google/uuid"

// SessionCreated is told of every login. AuthID is the user's uuid, or what a source calls somebody without one.
type SessionCreated struct {
	UUID, Tenant uuid.UUID
	AuthID       string
	Mobile       bool
}

// Describe implements Event. user_uuid is null, and no user is named in the headers, when the auth id is not written as a
// uuid is (section 6.2).
func (e SessionCreated) Describe() Description {
	var user *string
	if id, err := uuid.Parse(e.AuthID); err == nil && id.String() == e.AuthID {
		user = &e.AuthID
	} else {
		e.AuthID = ""
	}
	return Description{Name: "auth_session_created", RoutingKey: key("auth.sessions", e.UUID.String(), "created"), Tenant: e.Tenant,
		Audience: e.AuthID, Session: &e.UUID, Data: struct {
			UUID   uuid.UUID `json:"uuid"`
			Tenant uuid.UUID `json:"tenant_uuid"`
			User   *string   `json:"user_uuid"`
			Mobile bool      `json:"mobile"`
		}{e.UUID, e.Tenant, user, e.Mobile}}
}

type sessionData struct {
	UUID   uuid.UUID `json:"uuid"`
	Tenant uuid.UUID `json:"tenant_uuid"`
	User   string    `json:"user_uuid"`
}

// SessionDeleted is told when a session ended, for whatever reason.
type SessionDeleted struct {
	UUID, Tenant uuid.UUID
	AuthID       string
}

// Describe implements Event.
func (e SessionDeleted) Describe() Description {
	return Description{Name: "auth_session_deleted", RoutingKey: key("auth.sessions", e.UUID.String(), "deleted"), Tenant: e.Tenant,
		Audience: e.AuthID, Session: &e.UUID, Data: sessionData{e.UUID, e.Tenant, e.AuthID}}
}

// SessionExpireSoon is told once, some time before a session expires.
type SessionExpireSoon struct {
	UUID, Tenant uuid.UUID
	AuthID       string
}

// Describe implements Event.
func (e SessionExpireSoon) Describe() Description {
	return Description{Name: "auth_session_expire_soon", RoutingKey: key("auth.users", e.AuthID, "sessions", e.UUID.String(), "expire_soon"),
		Tenant: e.Tenant, Audience: e.AuthID, Session: &e.UUID, Data: sessionData{e.UUID, e.Tenant, e.AuthID}}
}
