package client

import (
	"context"
	"net/http"
	"net/url"
)

// Users are who logs in.
type Users struct{ c *Client }

// User is what the server tells of one. Update sends it back whole.
type User struct {
	UUID                 string  `json:"uuid,omitempty"`
	Username             *string `json:"username"`
	Firstname            *string `json:"firstname"`
	Lastname             *string `json:"lastname"`
	Purpose              string  `json:"purpose,omitempty"`
	Enabled              bool    `json:"enabled"`
	AuthenticationMethod string  `json:"authentication_method,omitempty"`
	Tenant               string  `json:"tenant_uuid,omitempty"`
	Emails               []Email `json:"emails"`
}

// Email is an address of a user.
type Email struct {
	UUID      string `json:"uuid,omitempty"`
	Address   string `json:"address"`
	Main      bool   `json:"main"`
	Confirmed bool   `json:"confirmed"`
}

// NewUser describes a user to create.
type NewUser struct {
	User
	Password     string `json:"password,omitempty"`
	EmailAddress string `json:"email_address,omitempty"`
}

// List lists the tenant's users.
func (u Users) List(ctx context.Context, o ListOptions) (Page[User], error) {
	return list[User](ctx, u.c, "/users", o)
}

// Create makes a user.
func (u Users) Create(ctx context.Context, n NewUser) (User, error) {
	var out User
	err := u.c.do(ctx, call{method: http.MethodPost, path: "/users", body: n}, &out)
	return out, err
}

// Get reads a user.
func (u Users) Get(ctx context.Context, user string) (User, error) {
	var out User
	err := u.c.do(ctx, call{method: http.MethodGet, path: path("users", user)}, &out)
	return out, err
}

// Update replaces what can be changed of a user; disabling ends the user's sessions.
func (u Users) Update(ctx context.Context, user string, changed User) (User, error) {
	var out User
	err := u.c.do(ctx, call{method: http.MethodPut, path: path("users", user), body: changed}, &out)
	return out, err
}

// Delete removes a user and ends the user's sessions.
func (u Users) Delete(ctx context.Context, user string) error {
	return u.c.do(ctx, call{method: http.MethodDelete, path: path("users", user)}, nil)
}

// ChangePassword is what users do themselves; it ends their sessions.
func (u Users) ChangePassword(ctx context.Context, user, old, changed string) error {
	return u.c.do(ctx, call{method: http.MethodPut, path: path("users", user, "password"),
		body: map[string]string{"old_password": old, "new_password": changed}}, nil)
}

// SetPassword sets a password without the old one, with the client's token; nil takes the password away. It ends the
// user's sessions.
func (u Users) SetPassword(ctx context.Context, user string, password *string) error {
	return u.c.do(ctx, call{method: http.MethodPost, path: "/users/password/reset", query: url.Values{"user_uuid": {user}},
		body: map[string]*string{"password": password}}, nil)
}

// Emails replaces a user's addresses, as an administrator.
func (u Users) Emails(ctx context.Context, user string, emails []Email) ([]Email, error) {
	var out []Email
	err := u.c.do(ctx, call{method: http.MethodPut, path: path("admin", "users", user, "emails"), body: map[string][]Email{"emails": emails}}, &out)
	return out, err
}

// Groups lists the groups of a user.
func (u Users) Groups(ctx context.Context, user string, o ListOptions) (Page[Group], error) {
	return list[Group](ctx, u.c, path("users", user, "groups"), o)
}

// Policies lists the policies that a user has directly.
func (u Users) Policies(ctx context.Context, user string, o ListOptions) (Page[Policy], error) {
	return list[Policy](ctx, u.c, path("users", user, "policies"), o)
}

// AddPolicy gives a user a policy, by uuid or slug.
func (u Users) AddPolicy(ctx context.Context, user, policy string) error {
	return u.c.do(ctx, call{method: http.MethodPut, path: path("users", user, "policies", policy)}, nil)
}

// RemovePolicy takes it away.
func (u Users) RemovePolicy(ctx context.Context, user, policy string) error {
	return u.c.do(ctx, call{method: http.MethodDelete, path: path("users", user, "policies", policy)}, nil)
}
