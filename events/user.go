package events

import "github.com/google/uuid"

// RefreshTokenCreated is told when a client got a refresh token that it did not have.
type RefreshTokenCreated struct {
	ClientID string    `json:"client_id"`
	Mobile   bool      `json:"mobile"`
	User     uuid.UUID `json:"user_uuid"`
	Tenant   uuid.UUID `json:"tenant_uuid"`
}

// Describe implements Event.
func (e RefreshTokenCreated) Describe() Description {
	return Description{Name: "auth_refresh_token_created", RoutingKey: key("auth.users", e.User.String(), "tokens", e.ClientID, "created"),
		Tenant: e.Tenant, Audience: e.User.String(), Data: e}
}

// RefreshTokenDeleted is told when a client's refresh token went.
type RefreshTokenDeleted struct {
	ClientID string    `json:"client_id"`
	Mobile   bool      `json:"mobile"`
	User     uuid.UUID `json:"user_uuid"`
	Tenant   uuid.UUID `json:"tenant_uuid"`
}

// Describe implements Event.
func (e RefreshTokenDeleted) Describe() Description {
	return Description{Name: "auth_refresh_token_deleted", RoutingKey: key("auth.users", e.User.String(), "tokens", e.ClientID, "deleted"),
		Tenant: e.Tenant, Audience: e.User.String(), Data: e}
}

// ExternalAuth is a user's account with another service: what the four events of external accounts tell.
type ExternalAuth struct {
	User   uuid.UUID `json:"user_uuid"`
	Type   string    `json:"external_auth_name"`
	Tenant uuid.UUID `json:"-"`
}

func (e ExternalAuth) describe(name, verb string) Description {
	return Description{Name: "auth_user_external_auth_" + name, RoutingKey: key("auth.users", e.User.String(), "external", e.Type, verb),
		Tenant: e.Tenant, Audience: e.User.String(), Data: e}
}

// UserExternalAuthAdded is told when a user linked an external account.
type UserExternalAuthAdded ExternalAuth

// Describe implements Event.
func (e UserExternalAuthAdded) Describe() Description {
	return ExternalAuth(e).describe("added", "created")
}

// UserExternalAuthAuthorized is told when the callback of a plug-in's type reported a consent.
type UserExternalAuthAuthorized ExternalAuth

// Describe implements Event.
func (e UserExternalAuthAuthorized) Describe() Description {
	return ExternalAuth(e).describe("authorized", "authorized")
}

// UserExternalAuthUpdated is told when an external account was linked anew or renewed.
type UserExternalAuthUpdated ExternalAuth

// Describe implements Event.
func (e UserExternalAuthUpdated) Describe() Description {
	return ExternalAuth(e).describe("updated", "updated")
}

// UserExternalAuthDeleted is told when an external account was unlinked.
type UserExternalAuthDeleted ExternalAuth

// Describe implements Event.
func (e UserExternalAuthDeleted) Describe() Description {
	return ExternalAuth(e).describe("deleted", "deleted")
}
