package token

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/xivo-auth/xivo-auth/db"
	"github.com/xivo-auth/xivo-auth/list"
)

// Session is the public face of a token.
type Session struct {
	UUID, Tenant uuid.UUID
	User         *uuid.UUID
	Mobile       bool
}

// Sessions lists live sessions of tenants, of one user if given, and counts them all.
func (s *Service) Sessions(ctx context.Context, tenants []uuid.UUID, user *uuid.UUID, p list.Page) (items []Session, total int64, err error) {
	var rows []db.SessionListRow
	err = db.Retry(ctx, func() (err error) {
		if total, err = s.q.SessionCount(ctx, s.d.Pool, db.SessionCountParams{Tenants: tenants, UserUUID: user}); err != nil {
			return err
		}
		rows, err = s.q.SessionList(ctx, s.d.Pool, db.SessionListParams{Tenants: tenants, UserUUID: user, ByMobile: p.OrderBy == "mobile",
			Descending: p.Descending, MaxRows: p.Limit, SkipRows: p.Offset})
		return err
	})
	if err != nil {
		return nil, 0, fmt.Errorf("list sessions: %w", err)
	}
	items = make([]Session, len(rows))
	for i, r := range rows {
		items[i] = Session{UUID: r.SessionUUID, Tenant: r.TenantUUID, User: r.UserUUID, Mobile: r.Mobile}
	}
	return items, total, nil
}

// RefreshTokenFilter narrows a list of refresh tokens. Nil fields do not narrow.
type RefreshTokenFilter struct {
	Search, ClientID *string
	Mobile           *bool
	CreatedAt        *time.Time
}

// RefreshToken is what may be told of one: never its value.
type RefreshToken struct {
	ClientID     string
	CreatedAt    time.Time
	Mobile       bool
	User, Tenant uuid.UUID
	Metadata     []byte
}

// RefreshTokens lists the refresh tokens of the users of tenants, of one user if given.
func (s *Service) RefreshTokens(ctx context.Context, tenants []uuid.UUID, user *uuid.UUID, f RefreshTokenFilter, p list.Page) (items []RefreshToken, total, filtered int64, err error) {
	var pattern *string
	if f.Search != nil {
		text := list.Pattern(*f.Search)
		pattern = &text
	}
	var n db.RefreshTokenCountRow
	var rows []db.RefreshTokenListRow
	err = db.Retry(ctx, func() (err error) {
		n, err = s.q.RefreshTokenCount(ctx, s.d.Pool, db.RefreshTokenCountParams{ClientID: f.ClientID, Mobile: f.Mobile, CreatedAt: f.CreatedAt,
			Pattern: pattern, Tenants: tenants, UserUUID: user})
		if err != nil {
			return err
		}
		rows, err = s.q.RefreshTokenList(ctx, s.d.Pool, db.RefreshTokenListParams{Tenants: tenants, UserUUID: user, ClientID: f.ClientID,
			Mobile: f.Mobile, CreatedAt: f.CreatedAt, Pattern: pattern, SortBy: p.OrderBy, Descending: p.Descending, MaxRows: p.Limit, SkipRows: p.Offset})
		return err
	})
	if err != nil {
		return nil, 0, 0, fmt.Errorf("list refresh tokens: %w", err)
	}
	items = make([]RefreshToken, len(rows))
	for i, r := range rows {
		items[i] = RefreshToken{ClientID: r.ClientID, CreatedAt: r.CreatedAt, Mobile: r.Mobile, User: r.UserUUID, Tenant: r.TenantUUID, Metadata: r.Metadata}
	}
	return items, n.Total, n.Filtered, nil
}
