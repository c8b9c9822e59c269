package external

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/xivo-auth/xivo-auth/db"
	"github.com/xivo-auth/xivo-auth/fault"
	"github.com/xivo-auth/xivo-auth/list"
)

// Item is an enabled type with what may be seen of a user's data.
type Item struct {
	Type string `json:"type"`
	// Data has the safe fields only.
	Data map[string]any `json:"data"`
	// Linked says that there are data of the user.
	Linked bool           `json:"enabled"`
	Info   map[string]any `json:"plugin_info"`
}

// Filter is which types are wanted; nil for any.
type Filter struct{ Type, Search *string }

// List gives the enabled types for a user (external.md section 4). An unknown user has none of them; one outside the scope
// is fault.NotFound.
func (s *Service) List(ctx context.Context, w Whose, f Filter, p list.Page) (items []Item, total, filtered int, err error) {
	if _, exists, err := s.visible(ctx, w); err != nil && (exists || !unknownUser(err)) {
		return nil, 0, 0, err
	}
	var rows []db.ExternalAccountListRow
	err = db.Retry(ctx, func() (err error) {
		rows, err = s.q.ExternalAccountList(ctx, s.d.Pool, db.ExternalAccountListParams{UserUUID: w.User, Types: s.d.Enabled})
		return err
	})
	if err != nil {
		return nil, 0, 0, fmt.Errorf("list external accounts: %w", err)
	}
	stored := map[string]db.ExternalAccountListRow{}
	for _, r := range rows {
		stored[r.Type] = r
	}
	items = []Item{}
	for _, typ := range s.d.Enabled {
		if f.Type != nil && *f.Type != typ || f.Search != nil && !matches(typ, *f.Search) {
			continue
		}
		item := Item{Type: typ, Data: map[string]any{}, Info: map[string]any{}}
		plugin := s.d.Plugins[typ]
		if plugin != nil && plugin.Info() != nil {
			item.Info = plugin.Info()
		}
		row, linked := stored[typ]
		item.Linked = linked
		if linked && plugin != nil {
			item.Data = s.safe(ctx, w.User, row, plugin.Safe())
		}
		items = append(items, item)
	}
	if p.Descending {
		slices.Reverse(items)
	}
	filtered = len(items)
	items = items[min(p.Offset, int64(len(items))):]
	if p.Limit != nil {
		items = items[:min(*p.Limit, int64(len(items)))]
	}
	return items, len(s.d.Enabled), filtered, nil
}

// safe are the declared fields that the stored data have in the declared kind.
func (s *Service) safe(ctx context.Context, user uuid.UUID, row db.ExternalAccountListRow, fields []SafeField) map[string]any {
	shown := map[string]any{}
	if len(fields) == 0 {
		return shown
	}
	text, err := s.d.Sealer.Open(row.Sealed, row.KeyID, accountOf(user, row.Type))
	if err != nil {
		s.d.Log.ErrorContext(ctx, "an external account cannot be opened", "user_uuid", user, "type", row.Type, "error", err)
		return shown
	}
	var data map[string]any
	d := json.NewDecoder(strings.NewReader(string(text)))
	d.UseNumber()
	if d.Decode(&data) != nil {
		return shown
	}
	for _, f := range fields {
		if v, ok := data[f.Name]; ok && fits(v, f.Kind) {
			shown[f.Name] = v
		}
	}
	return shown
}

func fits(v any, kind string) bool {
	switch v := v.(type) {
	case string:
		return kind == "string"
	case bool:
		return kind == "boolean"
	case json.Number:
		_, err := v.Int64()
		return kind == "integer" && err == nil
	case []any:
		return kind == "strings" && !slices.ContainsFunc(v, func(x any) bool { _, ok := x.(string); return !ok })
	}
	return false
}

// matches looks for the words of a search in a name, in their order, whatever the case (conventions.md section 9).
func matches(name, search string) bool {
	name = strings.ToLower(name)
	for w := range strings.SplitSeq(strings.ToLower(search), " ") {
		_, after, found := strings.Cut(name, w)
		if !found {
			return false
		}
		name = after
	}
	return true
}

// Users lists the users of a tenant, or of it and those below, who have data of a type; of one that is not enabled, nobody.
// fault.NotFound for a type that is not known.
func (s *Service) Users(ctx context.Context, scope uuid.UUID, recurse bool, typ string, p list.Page) (users []uuid.UUID, total int64, err error) {
	known := slices.Contains(s.d.Enabled, typ)
	if !known {
		err := db.Retry(ctx, func() (err error) { known, err = s.known(ctx, s.d.Pool, typ); return err })
		if err != nil || !known {
			return nil, 0, orUnknown(err, typ)
		}
		return []uuid.UUID{}, 0, nil
	}
	err = db.Retry(ctx, func() (err error) {
		if total, err = s.q.ExternalUserCount(ctx, s.d.Pool, db.ExternalUserCountParams{Type: typ, Scope: scope, Recurse: recurse}); err != nil {
			return err
		}
		users, err = s.q.ExternalUserList(ctx, s.d.Pool, db.ExternalUserListParams{Type: typ, Scope: scope, Recurse: recurse, MaxRows: p.Limit, Skip: p.Offset})
		return err
	})
	if err != nil {
		return nil, 0, fmt.Errorf("list users of an external type: %w", err)
	}
	return users, total, nil
}

func unknownUser(err error) bool {
	f, ok := fault.As(err)
	return ok && f.Kind == fault.NotFound
}
