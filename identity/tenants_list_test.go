package identity_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/xivo-auth/xivo-auth/config"
	"github.com/xivo-auth/xivo-auth/identity"
	"github.com/xivo-auth/xivo-auth/list"
)

// manyTenants makes tenants with a domain each: a tenth of them below the top tenant, nine below each of these.
func (o *organisation) manyTenants(t *testing.T, n int) {
	t.Helper()
	o.exec(t, `INSERT INTO tenants (uuid, parent_uuid, name, slug)
		SELECT md5(n::text)::uuid, CASE WHEN n % 10 = 0 THEN $1::uuid ELSE md5((n - n % 10)::text)::uuid END, 'Company ' || md5('name' || n), 't' || n
		FROM generate_series(0, $2::int - 1) AS n`, o.top, n)
	o.exec(t, "INSERT INTO domains (tenant_uuid, name) SELECT md5(n::text)::uuid, 'd' || md5('domain' || n) || '.example.org' FROM generate_series(0, $1::int - 1) AS n", n)
	o.exec(t, "ANALYZE tenants, domains")
}

func names(items []identity.Tenant) (out []string) {
	for _, x := range items {
		if x.Name == nil {
			out = append(out, "")
		} else {
			out = append(out, *x.Name)
		}
	}
	return out
}

func TestTenantsAreListedByPagesSearchesAndFilters(t *testing.T) {
	t.Parallel()
	o := newOrganisation(t, config.Content{})
	branch, err := o.tenants.Create(t.Context(), o.top, native("b", "alpha.yahoo.io", "beta.yahoo.io"))
	require.NoError(t, err)
	leaf, err := o.tenants.Create(t.Context(), branch.UUID, native("a yahoo 100%", "c.io"))
	require.NoError(t, err)
	nameless, err := o.tenants.Create(t.Context(), branch.UUID, native(""))
	require.NoError(t, err)
	ptr := func(s string) *string { return &s }
	one := int64(1)
	for name, c := range map[string]struct {
		scope           uuid.UUID
		f               identity.TenantFilter
		p               list.Page
		total, filtered int64
		want            []string
	}{
		"null comes last":         {o.top, identity.TenantFilter{}, list.Page{}, 4, 4, []string{"a yahoo 100%", "b", "master", ""}},
		"and first descending":    {o.top, identity.TenantFilter{}, list.Page{Descending: true}, 4, 4, []string{"", "master", "b", "a yahoo 100%"}},
		"a branch":                {branch.UUID, identity.TenantFilter{}, list.Page{}, 3, 3, []string{"a yahoo 100%", "b", ""}},
		"a page":                  {o.top, identity.TenantFilter{}, list.Page{Limit: &one, Offset: 1}, 4, 4, []string{"b"}},
		"beyond the end":          {o.top, identity.TenantFilter{}, list.Page{Offset: 9}, 4, 4, nil},
		"nothing at all":          {o.top, identity.TenantFilter{}, list.Page{Limit: new(int64)}, 4, 4, nil},
		"search: two domains":     {o.top, identity.TenantFilter{Search: ptr("YAHOO")}, list.Page{}, 4, 2, []string{"a yahoo 100%", "b"}},
		"search: a slug":          {o.top, identity.TenantFilter{Search: ptr(nameless.Slug)}, list.Page{}, 4, 1, []string{""}},
		"search: no wildcard":     {o.top, identity.TenantFilter{Search: ptr("0%")}, list.Page{}, 4, 1, []string{"a yahoo 100%"}},
		"search: everything":      {o.top, identity.TenantFilter{Search: ptr("")}, list.Page{}, 4, 4, []string{"a yahoo 100%", "b", "master", ""}},
		"uuid":                    {o.top, identity.TenantFilter{UUID: &leaf.UUID}, list.Page{}, 4, 1, []string{"a yahoo 100%"}},
		"uuids":                   {branch.UUID, identity.TenantFilter{Among: []uuid.UUID{leaf.UUID, o.top, branch.UUID}}, list.Page{}, 3, 2, []string{"a yahoo 100%", "b"}},
		"uuids: none":             {o.top, identity.TenantFilter{Among: []uuid.UUID{}}, list.Page{}, 4, 0, nil},
		"name, case counts":       {o.top, identity.TenantFilter{Name: ptr("B")}, list.Page{}, 4, 0, nil},
		"name":                    {o.top, identity.TenantFilter{Name: ptr("b")}, list.Page{}, 4, 1, []string{"b"}},
		"slug":                    {o.top, identity.TenantFilter{Slug: ptr("master")}, list.Page{}, 4, 1, []string{"master"}},
		"domain":                  {o.top, identity.TenantFilter{Domain: ptr("beta.yahoo.io")}, list.Page{}, 4, 1, []string{"b"}},
		"all of them must match":  {o.top, identity.TenantFilter{Domain: ptr("c.io"), Name: ptr("b")}, list.Page{}, 4, 0, nil},
		"outside, and so unknown": {leaf.UUID, identity.TenantFilter{UUID: &branch.UUID}, list.Page{}, 1, 0, nil},
	} {
		c.p.OrderBy = "name"
		items, total, filtered, err := o.tenants.List(t.Context(), c.scope, c.f, c.p)
		require.NoError(t, err, name)
		require.Equal(t, c.want, names(items), name)
		require.Equal(t, []int64{c.total, c.filtered}, []int64{total, filtered}, name)
	}
	items, _, _, err := o.tenants.List(t.Context(), o.top, identity.TenantFilter{UUID: &branch.UUID}, list.Page{OrderBy: "slug"})
	require.NoError(t, err)
	require.Equal(t, []identity.Tenant{branch}, items)
}

// explanation is what EXPLAIN ANALYZE tells.
type explanation struct {
	Plan planNode
	Time float64 `json:"Execution Time"` // ms
}

// explainer explains what is asked about tenants.
type explainer struct {
	pool  *pgxpool.Pool
	found []explanation
	err   error
}

type explained struct{}

func (e *explainer) TraceQueryStart(ctx context.Context, _ *pgx.Conn, d pgx.TraceQueryStartData) context.Context {
	return context.WithValue(ctx, explained{}, d)
}

func (e *explainer) TraceQueryEnd(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryEndData) {
	d, ok := ctx.Value(explained{}).(pgx.TraceQueryStartData)
	if !ok || !strings.HasPrefix(d.SQL, "-- name: Tenant") {
		return
	}
	var text []byte
	err := e.pool.QueryRow(context.WithoutCancel(ctx), "EXPLAIN (ANALYZE, FORMAT JSON) "+d.SQL, d.Args...).Scan(&text)
	var plans []explanation
	if err == nil {
		err = json.Unmarshal(text, &plans)
	}
	e.found, e.err = append(e.found, plans...), err
}

// planNode is a node of a plan.
type planNode struct {
	Type     string     `json:"Node Type"`
	Relation string     `json:"Relation Name"`
	Part     string     `json:"Subplan Name"`
	Plans    []planNode `json:"Plans"`
}

// scanned are the tables that a plan reads as a whole, other than to count what there is in all.
func (n planNode) scanned() (tables []string) {
	if n.Part == "CTE visible" {
		return nil
	}
	if n.Type == "Seq Scan" {
		tables = append(tables, n.Relation)
	}
	for _, x := range n.Plans {
		tables = append(tables, x.scanned()...)
	}
	return tables
}

// TestKeyedReadsAndSearchesOfTenantsUseIndexes looks at the plans with 5,000 tenants, and tells the times.
func TestKeyedReadsAndSearchesOfTenantsUseIndexes(t *testing.T) {
	t.Parallel()
	o := newOrganisation(t, config.Content{})
	o.manyTenants(t, 5000)
	e := &explainer{pool: o.pool}
	traced := o.pool.Config()
	traced.ConnConfig.Tracer = e
	pool, err := pgxpool.NewWithConfig(t.Context(), traced)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	tenants := (&organisation{pool: pool}).service(config.Content{})
	var branch uuid.UUID
	require.NoError(t, o.pool.QueryRow(t.Context(), "SELECT md5('10')::uuid").Scan(&branch))
	ptr := func(s string) *string { return &s }
	hundred := int64(100)
	listed := func(f identity.TenantFilter) func() error {
		return func() error {
			_, _, _, err := tenants.List(t.Context(), o.top, f, list.Page{OrderBy: "name", Limit: &hundred})
			return err
		}
	}
	// Of so few tenants the planner rather reads all, if there are many matches: what counts is that it need not.
	eager := o.pool.Config()
	eager.ConnConfig.RuntimeParams["enable_seqscan"] = "off"
	indexed, err := pgxpool.NewWithConfig(t.Context(), eager)
	require.NoError(t, err)
	t.Cleanup(indexed.Close)
	for name, c := range map[string]struct {
		do    func() error
		scans bool // may look at every tenant
	}{
		"get":               {func() error { _, err := tenants.Get(t.Context(), o.top, branch); return err }, false},
		"domains":           {func() error { _, err := tenants.Domains(t.Context(), o.top, branch); return err }, false},
		"filtered: uuid":    {listed(identity.TenantFilter{UUID: &branch}), false},
		"filtered: slug":    {listed(identity.TenantFilter{Slug: ptr("t77")}), false},
		"filtered: domain":  {listed(identity.TenantFilter{Domain: ptr("d.example.org")}), false},
		"searched: one":     {listed(identity.TenantFilter{Search: ptr("abc12")}), false},
		"searched: several": {listed(identity.TenantFilter{Search: ptr("abc")}), false},
		"first page":        {listed(identity.TenantFilter{}), true},
		"all of them": {func() error {
			_, _, _, err := tenants.List(t.Context(), o.top, identity.TenantFilter{}, list.Page{OrderBy: "name"})
			return err
		}, true},
	} {
		e.found, e.pool = nil, o.pool
		if strings.HasPrefix(name, "searched") {
			e.pool = indexed
		}
		require.NoError(t, c.do(), name)
		require.NoError(t, e.err, name)
		require.Len(t, e.found, 1, "%s: one statement", name)
		t.Logf("%s: %.1f ms at the database", name, e.found[0].Time)
		if !c.scans {
			require.Empty(t, e.found[0].Plan.scanned(), name)
		}
	}
}
