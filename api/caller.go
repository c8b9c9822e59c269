package api

import (
	"context"
	"strings"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"github.com/xivo-auth/xivo-auth/fault"
	"github.com/xivo-auth/xivo-auth/token"
	"github.com/xivo-auth/xivo-auth/trail"
)

// caller is whoever a request's X-Auth-Token belongs to.
type caller struct {
	holder *token.Holder
	owner  token.Owner
}

// authenticate requires a live token with an access (section 4). The template holds path parameters in braces, whose
// values have their dots replaced.
func (s *server) authenticate(c *gin.Context, template string) (*caller, error) {
	return s.admit(c, accessString(c, template), c.GetHeader("X-Auth-Token"))
}

// admit requires that a secret is a live token with an access.
func (s *server) admit(c *gin.Context, access, secret string) (*caller, error) {
	refuse := func(reason string, more map[string]any) error {
		details := map[string]any{"invalid_token": token.Masked(secret), "reason": reason, "required_access": access}
		for k, v := range more {
			details[k] = v
		}
		return fault.Modern(fault.Unauthenticated, "unauthorized", "", "Unauthorized", details)
	}
	if !looksLikeToken(secret) {
		return nil, refuse("not_found_or_expired", nil)
	}
	h, err := s.Checker.Find(c.Request.Context(), secret)
	if f, ok := fault.As(err); ok && f.Kind == fault.NotFound {
		return nil, refuse("not_found_or_expired", nil)
	}
	if err != nil {
		return nil, err
	}
	if !h.Allows(access) {
		var tenant any
		if t := c.GetHeader("Wazo-Tenant"); t != "" {
			tenant = t
		}
		return nil, refuse("missing_permission_or_invalid_tenant", map[string]any{"tenant_uuid": tenant})
	}
	owner, err := s.Checker.Owner(c.Request.Context(), h)
	if f, ok := fault.As(err); ok && f.Kind == fault.NotFound { // it ended since it was found
		return nil, refuse("not_found_or_expired", nil)
	}
	if err != nil {
		return nil, err
	}
	s.known(c, h)
	return &caller{holder: h, owner: owner}, nil
}

// known has the trail say, of whatever the request does from now on, whose token it was made with.
func (s *server) known(c *gin.Context, h *token.Holder) {
	ctx := c.Request.Context()
	o := trail.From(ctx)
	o.AuthID = h.AuthID
	if session, err := uuid.Parse(h.Session); err == nil {
		o.Session = &session
	}
	c.Request = c.Request.WithContext(trail.With(ctx, o))
}

// looksLikeToken spares the database what cannot be a token.
func looksLikeToken(s string) bool { return len(s) == 36 && isUUID(s) }

// accessString fills a template such as auth.users.{user_uuid}.sessions.read.
func accessString(c *gin.Context, template string) string {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(template, "{")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		name, after, _ := strings.Cut(rest, "}")
		b.WriteString(strings.ReplaceAll(segment(c, name), ".", "_"))
		template = after
	}
}

// scope is the scoping tenant of a request (section 5): the owner's, or the one that Wazo-Tenant names if the owner's
// tenant contains it.
func (s *server) scope(ctx context.Context, c *gin.Context, who *caller) (uuid.UUID, error) {
	header := c.GetHeader("Wazo-Tenant")
	refused := fault.Modern(fault.Unauthenticated, "unauthorized-tenant", "", "Unauthorized tenant", map[string]any{"tenant_uuid": header})
	if who.owner.Tenant == nil {
		return uuid.Nil, refused
	}
	own := *who.owner.Tenant
	if header == "" || header == own.String() {
		return own, nil
	}
	within, err := s.Checker.Contains(ctx, own, header)
	if err != nil {
		return uuid.Nil, err
	}
	if !within {
		return uuid.Nil, refused
	}
	return uuid.Parse(header)
}

// visibleUser requires that a user is in a tenant or below it, and gives the tenants in question.
func (s *server) visibleUser(ctx context.Context, scope, user uuid.UUID) (tenants []uuid.UUID, err error) {
	tenants, err = s.Directory.Subtree(ctx, scope)
	if err != nil {
		return nil, err
	}
	theirs, err := s.Directory.UserTenant(ctx, user)
	if err != nil {
		return nil, err
	}
	for _, t := range tenants {
		if t == theirs {
			return tenants, nil
		}
	}
	return nil, fault.UnknownUser(user.String())
}

// tenantsOf are the scoping tenant alone, or with everything below it.
func (s *server) tenantsOf(ctx context.Context, scope uuid.UUID, recurse bool) ([]uuid.UUID, error) {
	if !recurse {
		return []uuid.UUID{scope}, nil
	}
	return s.Directory.Subtree(ctx, scope)
}
