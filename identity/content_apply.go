package identity

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/xivo-auth/xivo-auth/config"
	"github.com/xivo-auth/xivo-auth/db"
	"github.com/xivo-auth/xivo-auth/trail"
)

// contentKey is the advisory lock of whoever brings the database in line with the configuration.
const contentKey = 7_203_419

// Content keeps in the database what the configuration wants to be there: the policies of the top tenant, and the groups of
// every tenant with their policies (organisation.md section 9).
type Content struct {
	pool    *pgxpool.Pool
	q       *db.Queries
	wanted  content
	enabled bool
	log     *slog.Logger
}

// NewContent makes the service. With update_policy_on_startup off it does nothing.
func NewContent(pool *pgxpool.Pool, cfg config.Content, log *slog.Logger) *Content {
	return &Content{pool: pool, q: db.New(), wanted: readContent(cfg), enabled: cfg.UpdatePolicyOnStartup, log: log}
}

// Apply brings the database in line with the configuration. Doing so twice changes nothing; any number of processes may do it
// at once. What it finds in its way it leaves, and logs: nothing that an administrator of a tenant does can keep the
// service from starting.
func (c *Content) Apply(ctx context.Context) error {
	if !c.enabled {
		return nil
	}
	for _, step := range []func(context.Context, pgx.Tx) (int64, error){c.putPolicies, c.furnishAllUsers, c.furnishGroups, c.deleteOrphans} {
		if err := c.committed(ctx, step); err != nil {
			return fmt.Errorf("apply the configured policies and groups: %w", err)
		}
	}
	return nil
}

// committed runs a step in its own transaction, one process at a time. Other processes serve requests meanwhile: what such a
// request deleted or made under the step's hands makes it run again.
func (c *Content) committed(ctx context.Context, step func(context.Context, pgx.Tx) (int64, error)) error {
	var err error
	for range 5 {
		err = db.InTx(ctx, c.pool, func(tx pgx.Tx) error {
			if err := c.q.ContentLock(ctx, tx, contentKey); err != nil {
				return fmt.Errorf("take turns: %w", err)
			}
			changed, err := step(ctx, tx)
			if err != nil || changed == 0 {
				return err
			}
			return trail.Add(ctx, tx, trail.Entry{Action: "content corrected", Details: map[string]any{"changes": changed}})
		})
		var pg *pgconn.PgError
		if !errors.As(err, &pg) || pg.Code != foreignKeyViolation && pg.Code != uniqueViolation {
			break
		}
	}
	return err
}

// putPolicies is section 9.3.
func (c *Content) putPolicies(ctx context.Context, tx pgx.Tx) (int64, error) {
	refused, err := c.q.ContentRefusedPolicies(ctx, tx, c.wanted.named)
	if err != nil {
		return 0, fmt.Errorf("compare policies: %w", err)
	}
	policies := slices.Clone(c.wanted.policies)
	for _, r := range refused {
		c.log.ErrorContext(ctx, "default_policies: another policy of the top tenant has this name or slug: skipped", slog.String("policy", r.Slug),
			slog.String("other_uuid", r.UUID.String()), slog.String("other_name", r.OtherName), slog.String("other_slug", r.OtherSlug))
		policies = slices.DeleteFunc(policies, func(p contentPolicy) bool { return p.Slug == r.Slug })
	}
	text, err := json.Marshal(policies)
	if err != nil {
		return 0, fmt.Errorf("encode policies: %w", err)
	}
	n, err := c.q.ContentPutPolicies(ctx, tx, text)
	if err != nil {
		return 0, fmt.Errorf("store policies: %w", err)
	}
	return n, nil
}

// furnishAllUsers is section 9.4.
func (c *Content) furnishAllUsers(ctx context.Context, tx pgx.Tx) (int64, error) {
	made, err := c.q.ContentAddAllUsersGroups(ctx, tx)
	if err != nil {
		return 0, fmt.Errorf("add all-users groups: %w", err)
	}
	if err := c.reportUnknown(ctx, tx, "all_users_policies", c.wanted.allUsers.add); err != nil {
		return 0, err
	}
	linked, err := c.q.ContentLinkAllUsers(ctx, tx, c.wanted.allUsers.add)
	if err != nil {
		return 0, fmt.Errorf("link policies of all users: %w", err)
	}
	unlinked, err := c.q.ContentUnlinkAllUsers(ctx, tx, c.wanted.allUsersKeys)
	if err != nil {
		return 0, fmt.Errorf("unlink policies of all users: %w", err)
	}
	return made + linked + unlinked, nil
}

// furnishGroups is section 9.5.
func (c *Content) furnishGroups(ctx context.Context, tx pgx.Tx) (int64, error) {
	if len(c.wanted.groups) == 0 {
		return 0, nil
	}
	var slugs, policies []string
	add, remove := db.ContentLinkGroupsParams{}, db.ContentUnlinkGroupsParams{}
	for _, g := range c.wanted.groups {
		slugs, policies = append(slugs, g.slug), append(policies, g.add...)
		for _, p := range g.add {
			add.Groups, add.Policies = append(add.Groups, g.slug), append(add.Policies, p)
		}
		for _, p := range g.remove {
			remove.Groups, remove.Policies = append(remove.Groups, g.slug), append(remove.Policies, p)
		}
	}
	made, err := c.q.ContentAddGroups(ctx, tx, slugs)
	if err != nil {
		return 0, fmt.Errorf("add groups: %w", err)
	}
	const told = 100
	absent, err := c.q.ContentMissingGroups(ctx, tx, db.ContentMissingGroupsParams{Slugs: slugs, MaxRows: told})
	if err != nil {
		return 0, fmt.Errorf("look for groups: %w", err)
	}
	for _, x := range absent {
		c.log.ErrorContext(ctx, "tenant_default_groups: another group of the tenant has this name or slug: skipped", slog.String("group", x.Slug),
			slog.String("tenant_uuid", x.TenantUUID.String()))
	}
	if err := c.reportUnknown(ctx, tx, "tenant_default_groups", policies); err != nil {
		return 0, err
	}
	linked, err := c.q.ContentLinkGroups(ctx, tx, add)
	if err != nil {
		return 0, fmt.Errorf("link policies of groups: %w", err)
	}
	unlinked, err := c.q.ContentUnlinkGroups(ctx, tx, remove)
	if err != nil {
		return 0, fmt.Errorf("unlink policies of groups: %w", err)
	}
	return made + linked + unlinked, nil
}

// deleteOrphans is section 9.6.
func (c *Content) deleteOrphans(ctx context.Context, tx pgx.Tx) (int64, error) {
	n, err := c.q.ContentDeleteOrphans(ctx, tx, c.wanted.named)
	if err != nil {
		return 0, fmt.Errorf("delete policies: %w", err)
	}
	kept, err := c.q.ContentOrphans(ctx, tx, c.wanted.named)
	if err != nil {
		return 0, fmt.Errorf("look for policies: %w", err)
	}
	for _, id := range kept {
		c.log.WarnContext(ctx, fmt.Sprintf("default_policies: deleting policy %s (SKIPPED: associated)", id))
	}
	return n, nil
}

// reportUnknown logs which policies, named by a key of the configuration, the top tenant does not have.
func (c *Content) reportUnknown(ctx context.Context, tx pgx.Tx, key string, slugs []string) error {
	unknown, err := c.q.ContentUnknownPolicies(ctx, tx, slices.Compact(slices.Sorted(slices.Values(slugs))))
	if err != nil {
		return fmt.Errorf("look for policies: %w", err)
	}
	for _, slug := range unknown {
		c.log.ErrorContext(ctx, key+": the top tenant has no such policy: skipped", slog.String("policy", slug))
	}
	return nil
}
