package events

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the golden files and the catalogue of docs/events.md")

var (
	tenant  = uuid.MustParse("944ffdcb-c21f-4069-995a-228406b685fe")
	user    = uuid.MustParse("c63fe32c-14a9-498c-add2-31d9cfb0b940")
	session = uuid.MustParse("26dfdb62-87df-448f-b4e0-0151f67e03d8")
	id      = uuid.MustParse("0f0f5a0e-6c1c-4a55-9b3a-8e7a3fd2a111")
	// A moment in summer, whose zone is not UTC.
	moment = time.Date(2026, 7, 24, 11, 9, 56, 132412789, time.UTC)
)

// example is an event of the catalogue with the place of its document.
type example struct {
	file  string // of the golden file, when it is not the event's name
	when  string // for docs/events.md; empty: another case of the event before
	event Event
}

func examples() []example {
	name := "Ténant \U0001F98A"
	authID := user.String()
	return []example{
		{when: "a tenant was made, also for a user who registered", event: TenantAdded{UUID: tenant, Name: &name, Slug: "tone", DomainNames: []string{"a.example.com"}}},
		{file: "auth_tenant_added_bare", event: TenantAdded{UUID: tenant, Slug: "tone"}},
		{when: "a tenant was changed, even if nothing is different", event: TenantUpdated{UUID: tenant, Name: &name}},
		{file: "auth_tenant_updated_nameless", event: TenantUpdated{UUID: tenant}},
		{when: "a tenant went, with everything in it", event: TenantDeleted{UUID: tenant}},
		{when: "a user's account with another service was added", event: UserExternalAuthAdded{User: user, Tenant: tenant, Type: "mobile"}},
		{when: "a plug-in's callback reported a consent", event: UserExternalAuthAuthorized{User: user, Tenant: tenant, Type: "crm"}},
		{when: "such an account was replaced or renewed", event: UserExternalAuthUpdated{User: user, Tenant: tenant, Type: "google"}},
		{when: "such an account was removed", event: UserExternalAuthDeleted{User: user, Tenant: tenant, Type: "microsoft"}},
		{when: "a client got a refresh token that it did not have", event: RefreshTokenCreated{ClientID: "my.app*#1", Mobile: true, User: user, Tenant: tenant}},
		{file: "auth_refresh_token_created_long", event: RefreshTokenCreated{ClientID: strings.Repeat("ж.", 512), User: user, Tenant: tenant}},
		{when: "a client's refresh token went", event: RefreshTokenDeleted{ClientID: "my app/1", User: user, Tenant: tenant}},
		{when: "somebody logged in", event: SessionCreated{UUID: session, Tenant: tenant, AuthID: authID, Mobile: true}},
		{file: "auth_session_created_foreign", event: SessionCreated{UUID: session, Tenant: tenant, AuthID: "cn=zoë"}},
		{when: "a session ended, for whatever reason, expiry included", event: SessionDeleted{UUID: session, Tenant: tenant, AuthID: authID}},
		{file: "auth_session_deleted_internal", event: SessionDeleted{UUID: session, Tenant: tenant, AuthID: "wazo-auth"}},
		{file: "auth_session_deleted_long", event: SessionDeleted{UUID: session, Tenant: tenant, AuthID: strings.Repeat("x", 246)}},
		{when: "a session expires within `token_cleanup_interval`", event: SessionExpireSoon{UUID: session, Tenant: tenant, AuthID: authID}},
	}
}

func message(t *testing.T, e Event) Message {
	t.Helper()
	paris, err := time.LoadLocation("Europe/Paris")
	require.NoError(t, err)
	m, err := Origin{UUID: "the-predefined-xivo-uuid", Location: paris}.Message(id, moment, e.Describe())
	require.NoError(t, err)
	return m
}

func TestMessagesAreThoseOfTheGoldenFiles(t *testing.T) {
	t.Parallel()
	for _, x := range examples() {
		m := message(t, x.event)
		if x.file == "" {
			x.file = m.Name
		}
		t.Run(x.file, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join("testdata", x.file+".json")
			got, err := json.MarshalIndent(map[string]any{"message_id": m.ID, "routing_key": m.RoutingKey, "headers": m.Headers, "body": json.RawMessage(m.Body)}, "", "  ")
			require.NoError(t, err)
			got = append(ascii(got), '\n')
			if *update {
				require.NoError(t, os.WriteFile(path, got, 0o644))
			}
			golden, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Equal(t, string(golden), string(got), "run: go test ./events -update")
		})
	}
}

func TestABodyRepeatsTheHeadersAndIsASCII(t *testing.T) {
	t.Parallel()
	for _, x := range examples() {
		m := message(t, x.event)
		require.Equal(t, -1, bytes.IndexFunc(m.Body, func(r rune) bool { return r > 127 }), m.Name)
		require.LessOrEqual(t, len(m.RoutingKey), 255, m.Name)
		var body map[string]any
		require.NoError(t, json.Unmarshal(m.Body, &body))
		require.Contains(t, body, "data", m.Name)
		delete(body, "data")
		require.Equal(t, m.Headers, body, m.Name)
		for name := range m.Headers {
			require.LessOrEqual(t, len(name), 255, m.Name)
		}
		require.Equal(t, m, message(t, x.event), "every attempt is the same")
	}
}

func TestAnInstallationWithoutUUIDIsNull(t *testing.T) {
	t.Parallel()
	m, err := Origin{Location: time.UTC}.Message(id, moment, TenantDeleted{UUID: tenant}.Describe())
	require.NoError(t, err)
	require.Contains(t, m.Headers, "origin_uuid")
	require.Nil(t, m.Headers["origin_uuid"])
	require.Contains(t, string(m.Body), `"origin_uuid":null`)
}

func TestTheCatalogueHasEveryEventOfTheContract(t *testing.T) {
	t.Parallel()
	var names []string
	for _, x := range examples() {
		if x.when != "" {
			names = append(names, x.event.Describe().Name)
		}
	}
	sort.Strings(names)
	require.Equal(t, []string{"auth_refresh_token_created", "auth_refresh_token_deleted", "auth_session_created", "auth_session_deleted",
		"auth_session_expire_soon", "auth_tenant_added", "auth_tenant_deleted", "auth_tenant_updated", "auth_user_external_auth_added",
		"auth_user_external_auth_authorized", "auth_user_external_auth_deleted", "auth_user_external_auth_updated"}, names)
}

// The part of docs/events.md between these lines is generated.
const (
	catalogueBegin = "<!-- catalogue: generated by go test ./events -update -->\n"
	catalogueEnd   = "<!-- end of the catalogue -->\n"
)

func catalogue(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("| name | told when | routing key | further headers | `data` |\n|---|---|---|---|---|\n")
	for _, x := range examples() {
		if x.when == "" {
			continue
		}
		d := x.event.Describe()
		key := strings.NewReplacer(user.String(), "{user_uuid}", session.String(), "{session_uuid}", tenant.String(), "{tenant_uuid}",
			"my__DOT__app__STAR____HASH__1", "{client_id}", "my app/1", "{client_id}", ".mobile.", ".{external_auth_name}.", ".crm.", ".{external_auth_name}.",
			".google.", ".{external_auth_name}.", ".microsoft.", ".{external_auth_name}.").Replace(d.RoutingKey)
		headers := "`tenant_uuid`, `user_uuid:{user_uuid}`"
		if d.Audience == everyone {
			headers = "`tenant_uuid`, `user_uuid:*`"
		}
		if d.Session != nil {
			headers += ", `session_uuid`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | `%s` | %s | %s |\n", d.Name, x.when, key, headers, fieldsOf(reflect.TypeOf(d.Data)))
	}
	return b.String()
}

// fieldsOf lists the fields of a payload with their types.
func fieldsOf(t reflect.Type) string {
	var list []string
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "-" {
			continue
		}
		kind, null := f.Type, ""
		if kind.Kind() == reflect.Pointer {
			kind, null = kind.Elem(), " or null"
		}
		word := map[string]string{"uuid.UUID": "UUID", "string": "string", "bool": "boolean", "[]string": "list of strings"}[kind.String()]
		list = append(list, "`"+name+"` "+word+null)
	}
	return strings.Join(list, ", ")
}

func TestTheDocumentedCatalogueIsThatOfTheTypes(t *testing.T) {
	t.Parallel()
	const path = "../docs/events.md"
	page, err := os.ReadFile(path)
	require.NoError(t, err)
	head, rest, found := strings.Cut(string(page), catalogueBegin)
	require.True(t, found)
	_, tail, found := strings.Cut(rest, catalogueEnd)
	require.True(t, found)
	want := head + catalogueBegin + catalogue(t) + catalogueEnd + tail
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(want), 0o644))
		return
	}
	require.Equal(t, want, string(page), "run: go test ./events -update")
}
