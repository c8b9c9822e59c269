package e2e

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// operator is somebody with the command line and an environment.
type operator struct {
	s   *stack
	env map[string]string
}

func (s *stack) operator(t *testing.T) operator {
	t.Helper()
	return operator{s, map[string]string{"HOME": t.TempDir(), "XIVO_AUTH_URL": s.apis[0].url, "XIVO_AUTH_USERNAME": s.root, "XIVO_AUTH_PASSWORD": s.password}}
}

// with is the operator with other variables; an empty one is not set.
func (o operator) with(variables map[string]string) operator {
	all := maps.Clone(o.env)
	maps.Copy(all, variables)
	maps.DeleteFunc(all, func(_, v string) bool { return v == "" })
	return operator{o.s, all}
}

// run runs the program with this standard input. What it says never holds a secret that was not asked for.
func (o operator) run(t *testing.T, input string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), bearable)
	defer cancel()
	cmd := exec.CommandContext(ctx, program(t, "xivo-auth"), args...)
	var out, complaints bytes.Buffer
	cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = env(o.env), strings.NewReader(input), &out, &complaints
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		code = exit.ExitCode()
	} else {
		require.NoError(t, err)
	}
	require.NotContains(t, out.String()+complaints.String(), o.s.password)
	return out.String(), complaints.String(), code
}

// good runs a command that succeeds without complaint, and gives what it prints.
func (o operator) good(t *testing.T, args ...string) string {
	t.Helper()
	stdout, stderr, code := o.run(t, "", args...)
	require.Zero(t, code, "%s: %s", args, stderr)
	require.Empty(t, stderr, "%s", args)
	return strings.TrimSuffix(stdout, "\n")
}

// silent is good for a command that prints nothing.
func (o operator) silent(t *testing.T, args ...string) {
	t.Helper()
	require.Empty(t, o.good(t, args...), "%s", args)
}

// bad runs a command that fails with a complaint that contains says, and prints nothing else.
func (o operator) bad(t *testing.T, says string, args ...string) {
	t.Helper()
	stdout, stderr, code := o.run(t, "", args...)
	require.Equal(t, 1, code, "%s: %s", args, stdout)
	require.Empty(t, stdout, "%s", args)
	require.Contains(t, stderr, says, "%s", args)
	require.True(t, strings.HasPrefix(stderr, "xivo-auth: "), "%s: %s", args, stderr)
}

// object runs a command that prints a JSON object.
func (o operator) object(t *testing.T, args ...string) fields {
	t.Helper()
	var out fields
	text := o.good(t, args...)
	require.NoError(t, json.Unmarshal([]byte(text), &out), "%s: %s", args, text)
	return out
}

// made runs a command that prints a uuid.
func (o operator) made(t *testing.T, args ...string) string {
	t.Helper()
	id := o.good(t, args...)
	require.NoError(t, uuid.Validate(id), "%s: %s", args, id)
	return id
}

func TestCommands(t *testing.T) {
	t.Parallel()
	s := newStack(t, options{apis: 1})
	for name, part := range map[string]func(*testing.T, operator){
		"user":                                userCommands,
		"session":                             sessionCommands,
		"group":                               groupCommands,
		"policy":                              policyCommands,
		"tenant":                              tenantCommands,
		"token":                               tokenCommands,
		"lists are printed in many ways":      listsArePrinted,
		"names do not paint":                  namesDoNotPaint,
		"names that several have are refused": ambiguousNamesAreRefused,
		"where credentials come from":         credentialsComeFromManyPlaces,
		"logins end with the command":         loginsEndWithTheCommand,
		"the shell completes":                 theShellCompletes,
		"bootstrap complete":                  bootstrapCompletes,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			part(t, s.operator(t))
		})
	}
}

func userCommands(t *testing.T, o operator) {
	name, secret := "Alice-"+random(4), "Wort-"+random(8)
	set := o.with(map[string]string{"WAZO_AUTH_CLI_USER_PASSWORD": secret})
	wanted := uuid.NewString()
	id := set.made(t, "user", "create", name, "--uuid", wanted, "--email", name+"@example.com", "--firstname", "A", "--lastname", "B", "--purpose", "user")
	require.Equal(t, wanted, id)
	set.bad(t, "answered 409", "user", "create", name)
	o.bad(t, "the password of the user", "user", "create", "nobody-"+random(4))
	set.bad(t, "answered 400", "user", "create", "nobody-"+random(4), "--purpose", "fun")
	set.bad(t, "none of the others can be", "user", "create", "nobody", "--enable", "--disable")

	shown := o.object(t, "user", "show", name)
	require.Equal(t, o.object(t, "user", "show", id), shown)
	for _, key := range []string{"policies", "groups", "sessions", "emails"} {
		require.IsType(t, []any{}, shown[key], key)
	}
	require.Equal(t, []any{"A", "B", "user", true}, []any{shown["firstname"], shown["lastname"], shown["purpose"], shown["enabled"]})
	text := o.good(t, "user", "show", name)
	require.Less(t, strings.Index(text, `  "emails"`), strings.Index(text, `  "uuid"`), "indented, and keys are sorted")
	o.bad(t, `Unknown user "nobody"`, "user", "show", "nobody")
	o.bad(t, `Unknown user ""`, "user", "show", "")
	o.bad(t, "answered 404", "user", "show", uuid.NewString())

	o.silent(t, "user", "update", name, "--disable")
	require.Equal(t, false, o.object(t, "user", "show", id)["enabled"])
	o.silent(t, "user", "update", id, "--enable")
	again := o.object(t, "user", "show", id)
	require.Equal(t, shown, again, "the rest stays")
	o.bad(t, "at least one of the flags", "user", "update", name)

	login := o.with(map[string]string{"XIVO_AUTH_USERNAME": name, "XIVO_AUTH_PASSWORD": secret})
	o.s.secret(login.good(t, "token", "create"))
	other := "Wort-" + random(8)
	require.Equal(t, "Done.", o.with(map[string]string{"WAZO_AUTH_CLI_USER_PASSWORD": other}).good(t, "user", "password", name))
	login.bad(t, "answered 401", "token", "create")
	stdout, _, code := o.run(t, secret+"\n", "user", "password", name)
	require.Zero(t, code)
	require.Equal(t, "Done.\n", stdout, "from a pipe")
	o.s.secret(login.good(t, "token", "create"))
	o.bad(t, `Unknown user "nobody"`, "user", "password", "nobody")

	policy, group := "p-"+random(4), "g-"+random(4)
	o.made(t, "policy", "create", policy, "--acl", "a.b")
	o.made(t, "group", "create", group)
	o.silent(t, "user", "add", name, "--policy", policy)
	o.silent(t, "user", "add", name, "--group", group)
	linked := o.object(t, "user", "show", name)
	require.Contains(t, fmt.Sprint(linked["policies"]), policy)
	require.Contains(t, fmt.Sprint(linked["groups"]), group)
	o.silent(t, "user", "remove", name, "--policy", policy)
	o.silent(t, "user", "remove", name, "--group", group)
	linked = o.object(t, "user", "show", name)
	require.NotContains(t, fmt.Sprint(linked["policies"]), policy)
	require.NotContains(t, fmt.Sprint(linked["groups"]), group)
	sessions, ok := linked["sessions"].([]any)
	require.True(t, ok)
	require.NotEmpty(t, sessions)
	session, _ := sessions[0].(fields)["uuid"].(string)
	o.silent(t, "user", "remove", name, "--session", session)
	require.NotContains(t, o.good(t, "user", "show", name), session)
	o.bad(t, `Unknown policy "none"`, "user", "add", name, "--policy", "none")
	o.bad(t, `Unknown group "none"`, "user", "remove", name, "--group", "none")
	o.bad(t, "at least one of the flags", "user", "add", name)

	require.Contains(t, o.good(t, "user", "list", "--search", name), name+"@example.com")
	o.bad(t, "must not be negative", "user", "list", "--limit", "-1")
	o.silent(t, "user", "delete", name)
	o.bad(t, fmt.Sprintf("Unknown user %q", name), "user", "delete", name)
}

func sessionCommands(t *testing.T, o operator) {
	name, id := o.s.addUser(t, "user", "auth.#")
	tok := o.s.login(t, o.s.apis[0], name, nil)
	session := tok.Session.String()
	require.Contains(t, o.good(t, "session", "list", "-f", "value", "-c", "uuid"), session)
	require.Equal(t, id.String(), o.object(t, "session", "show", session)["user_uuid"])
	o.bad(t, "Unknown session", "session", "show", uuid.NewString())
	o.silent(t, "session", "delete", session)
	require.Equal(t, http.StatusNotFound, o.s.check(t, o.s.apis[0], tok.Token, noScope))
	o.bad(t, `unknown command "create" for "xivo-auth session"`, "session", "create")
	require.Contains(t, o.good(t, "session"), "wipe")

	require.Equal(t, "No sessions found for user "+id.String(), o.good(t, "session", "wipe", name))
	mine := o.s.login(t, o.s.apis[0], name, nil).Token
	o.s.login(t, o.s.apis[0], name, nil)
	o.s.login(t, o.s.apis[0], name, nil)
	own := o.with(map[string]string{"XIVO_AUTH_TOKEN": mine})
	require.Equal(t, "Wiped 3 sessions for user "+id.String(), own.good(t, "session", "wipe", id.String()), "its own comes last")
	require.Equal(t, http.StatusNotFound, o.s.check(t, o.s.apis[0], mine, noScope))
	require.Equal(t, "No sessions found for user "+id.String(), o.with(map[string]string{"XIVO_AUTH_USERNAME": name}).good(t, "session", "wipe", name),
		"that of the command itself does not count")
	o.bad(t, `Unknown user "nobody"`, "session", "wipe", "nobody")
}

func groupCommands(t *testing.T, o operator) {
	name := "group " + random(4)
	id := o.made(t, "group", "create", name)
	o.bad(t, "answered 409", "group", "create", name)
	user, userID := o.s.addUser(t, "user")
	o.silent(t, "group", "add", name, "--user", user)
	shown := o.object(t, "group", "show", name)
	require.Equal(t, id, shown["uuid"])
	require.Contains(t, fmt.Sprint(shown["users"]), userID.String())
	o.silent(t, "group", "remove", id, "--user", userID.String())
	require.NotContains(t, o.good(t, "group", "show", id), userID.String())
	o.bad(t, "at least one of the flags", "group", "add", name)
	o.bad(t, `Unknown user "nobody"`, "group", "add", name, "--user", "nobody")
	o.bad(t, `Unknown group "none"`, "group", "remove", "none", "--user", user)
	policy := "p-" + random(4)
	o.made(t, "policy", "create", policy)
	o.silent(t, "group", "add", name, "--policy", policy)
	o.silent(t, "group", "remove", name, "--policy", policy)
	o.bad(t, `Unknown policy "none"`, "group", "remove", name, "--policy", "none")
	require.Contains(t, o.good(t, "group", "list", "--recurse"), name)
	o.bad(t, `Unknown tenant "none"`, "group", "list", "--tenant", "none")
	o.silent(t, "group", "delete", name)
	o.bad(t, fmt.Sprintf("Unknown group %q", name), "group", "show", name)
	o.bad(t, "answered 404", "group", "delete", id)
}

func policyCommands(t *testing.T, o operator) {
	name := "policy " + random(4)
	id := o.made(t, "policy", "create", name, "--description", "what for", "--acl", "a.#", "b.c", "d.*")
	shown := o.object(t, "policy", "show", name)
	require.Equal(t, []any{"a.#", "b.c", "d.*"}, shown["acl"])
	require.Equal(t, "what for", shown["description"])
	o.bad(t, "answered 409", "policy", "create", name)
	require.Equal(t, id, o.good(t, "policy", "create", name, "--or-show"))
	o.bad(t, "answered 400", "policy", "create", "", "--or-show")
	o.silent(t, "policy", "add", name, "x.#", "y/z")
	o.silent(t, "policy", "remove", id, "b.c", "y/z")
	require.Equal(t, []any{"a.#", "d.*", "x.#"}, o.object(t, "policy", "show", id)["acl"])
	o.bad(t, `Unknown policy "none"`, "policy", "add", "none", "a")
	o.bad(t, "b.c: xivo-auth answered 404", "policy", "remove", uuid.NewString(), "b.c")
	require.Contains(t, o.good(t, "policy", "list", "--search", name), "a.#,d.*,x.#")
	o.bad(t, "must be one of", "policy", "list", "-f", "xml")
	o.silent(t, "policy", "delete", name)
	o.bad(t, fmt.Sprintf("Unknown policy %q", name), "policy", "delete", name)
	o.bad(t, fmt.Sprintf("Unknown policy %q", name), "policy", "show", name)
}

func tenantCommands(t *testing.T, o operator) {
	name, wanted := "tenant "+random(4), uuid.NewString()
	require.Equal(t, wanted, o.made(t, "tenant", "create", name, "--uuid", wanted, "--slug", "s"+random(2)))
	o.bad(t, "answered 409", "tenant", "create", name, "--uuid", wanted)
	child := o.made(t, "tenant", "create", "child of "+name, "--parent", name)
	require.Equal(t, wanted, o.object(t, "tenant", "show", "child of "+name)["parent_uuid"])
	require.Equal(t, name, o.object(t, "tenant", "show", wanted)["name"])
	o.bad(t, `Unknown tenant "x"`, "tenant", "show", "x")
	o.bad(t, `Unknown tenant "x"`, "tenant", "create", "y", "--parent", "x")
	o.bad(t, `Unknown tenant ""`, "tenant", "delete", "")

	group, user := "g-"+random(4), "u-"+random(4)
	o.made(t, "group", "create", group, "--tenant", "child of "+name)
	o.with(map[string]string{"WAZO_AUTH_CLI_USER_PASSWORD": "Wort-" + random(8)}).made(t, "user", "create", user, "--tenant", child)
	require.Contains(t, o.good(t, "group", "list", "--tenant", child), group)
	require.NotContains(t, o.good(t, "group", "list"), group)
	require.Contains(t, o.good(t, "group", "list", "--recurse"), group)
	require.Equal(t, user, o.good(t, "user", "list", "--tenant", "child of "+name, "-f", "value", "-c", "username"))
	require.Contains(t, o.good(t, "user", "list", "--recurse"), user)
	require.Equal(t, child, o.object(t, "group", "show", group)["tenant_uuid"], "names are found below, too")
	require.Equal(t, child, o.object(t, "user", "show", user)["tenant_uuid"])
	require.Contains(t, o.good(t, "tenant", "list"), wanted)
	o.bad(t, "unknown flag", "tenant", "list", "--color")

	o.bad(t, "answered 400", "tenant", "delete", wanted)
	o.silent(t, "tenant", "delete", child)
	o.silent(t, "tenant", "delete", name)
	o.bad(t, fmt.Sprintf("Unknown tenant %q", name), "tenant", "delete", name)
}

func tokenCommands(t *testing.T, o operator) {
	name, id := o.s.addUser(t, "user", "auth.#")
	mine := o.with(map[string]string{"XIVO_AUTH_USERNAME": name})
	token := mine.good(t, "token", "create", "--expiration", "60", "--mobile")
	o.s.secret(token)
	shown := o.object(t, "token", "show", token)
	require.Equal(t, id.String(), shown["auth_id"])
	require.Contains(t, fmt.Sprint(o.object(t, "session", "show", fmt.Sprint(shown["session_uuid"]))), "mobile:true")
	o.silent(t, "token", "revoke", token)
	o.bad(t, "answered 404: No such token", "token", "show", token)
	o.bad(t, "identifies nothing", "token", "revoke", "..")
	mine.bad(t, "--expiration", "token", "create", "--expiration", "soon")
	mine.bad(t, "--expiration", "token", "create", "--expiration", "-1")
	mine.bad(t, "--access_type", "token", "create", "--access_type", "fun")
	o.with(map[string]string{"XIVO_AUTH_PASSWORD": o.s.wrong, "XIVO_AUTH_USERNAME": "nobody-" + random(4)}).bad(t, "answered 401", "token", "create")

	both := strings.Split(mine.good(t, "token", "create", "--access_type", "offline", "--client_id", "phone"), "\n")
	require.Len(t, both, 2)
	o.s.secret(both...)
	bought := o.with(map[string]string{"XIVO_AUTH_USERNAME": "", "XIVO_AUTH_PASSWORD": ""}).good(t, "token", "create", "--refresh_token", both[1], "--client_id", "phone")
	o.s.secret(bought)
	for _, whose := range []string{name, id.String()} {
		require.Contains(t, o.good(t, "token", "refresh", "list", whose), `"client_id": "phone"`)
	}
	require.Contains(t, mine.good(t, "token", "refresh", "list", "me"), `"client_id": "phone"`)
	o.bad(t, `Unknown user "nobody"`, "token", "refresh", "list", "nobody")
	o.silent(t, "token", "refresh", "delete", "--user_uuid", id.String(), "--client_id", "phone")
	mine.bad(t, "answered 404", "token", "refresh", "delete", "--client_id", "phone")
	mine.bad(t, "client_id", "token", "refresh", "delete")
}

func listsArePrinted(t *testing.T, o operator) {
	tenant := o.made(t, "tenant", "create", "printed "+random(4))
	for _, x := range [][]string{{"b, \"quoted\"", "second"}, {"a", "third"}, {"c", "first"}} {
		o.made(t, "policy", "create", x[0], "--description", x[1], "--acl", "x.#", "y", "--tenant", tenant)
	}
	list := func(args ...string) string {
		t.Helper()
		return o.good(t, append([]string{"policy", "list", "--tenant", tenant, "-c", "name", "-c", "description", "-c", "acl", "--sort-column", "description"}, args...)...)
	}
	rows, err := csv.NewReader(strings.NewReader(list("-f", "csv"))).ReadAll()
	require.NoError(t, err)
	require.Equal(t, []string{"name", "description", "acl"}, rows[0])
	var own [][]string
	for _, r := range rows[1:] {
		if r[2] == "x.#,y" {
			own = append(own, r[:2])
		}
	}
	require.Equal(t, [][]string{{"c", "first"}, {`b, "quoted"`, "second"}, {"a", "third"}}, own)
	table := strings.Split(list(), "\n")
	require.Regexp(t, `^NAME +DESCRIPTION +ACL$`, table[0])
	require.Len(t, table, len(rows))
	require.NotContains(t, list("-f", "value"), "DESCRIPTION")
	require.Contains(t, list("-f", "yaml"), "- name: \"c\"\n  description: \"first\"\n  acl: [\"x.#\",\"y\"]")
	var objects []fields
	require.NoError(t, json.Unmarshal([]byte(list("-f", "json")), &objects))
	require.Len(t, objects, len(rows)-1)
	require.Len(t, objects[0], 3)
	require.NoError(t, json.Unmarshal([]byte(o.good(t, "policy", "list", "--tenant", tenant, "-f", "json")), &objects))
	require.Contains(t, objects[0], "shared", "JSON has everything")
	require.Equal(t, "a", o.good(t, "policy", "list", "--tenant", tenant, "--search", "third", "-f", "value", "-c", "name"))
	o.bad(t, "--column: must be one of acl, description,", "policy", "list", "-c", "colour")
	o.bad(t, "--sort-column: must be one of", "policy", "list", "--sort-column", "colour")
	require.Equal(t, "[]", o.good(t, "user", "list", "--tenant", tenant, "-f", "json"))
}

func namesDoNotPaint(t *testing.T, o operator) {
	painted := "\u009b31m " + random(4)
	made := o.s.ask(t, o.s.apis[0], request{method: http.MethodPost, path: "/groups", token: o.s.login(t, o.s.apis[0], o.s.root, nil).Token,
		body: fields{"name": "\x1b[2J" + painted}})
	require.Equal(t, http.StatusOK, made.status, "%s", made.body)
	for _, format := range []string{"table", "csv", "value", "json", "yaml"} {
		text := o.good(t, "group", "list", "-f", format)
		require.Contains(t, text, `\u001b[2J\u009b31m`, format)
		require.NotContains(t, text, "\x1b", format)
		require.NotContains(t, text, "\u009b", format)
	}
	_, stderr, _ := o.run(t, "", "group", "show", "\x1b[2J")
	require.NotContains(t, stderr, "\x1b")
}

func ambiguousNamesAreRefused(t *testing.T, o operator) {
	name := "twice-" + random(4)
	one, two := o.made(t, "tenant", "create", "one "+name), o.made(t, "tenant", "create", "two "+name)
	group := o.made(t, "group", "create", name, "--tenant", one)
	o.made(t, "group", "create", name, "--tenant", two)
	o.bad(t, "say which group by its uuid", "group", "delete", name)
	require.Equal(t, group, o.object(t, "group", "show", name, "--tenant", "one "+name)["uuid"])
	own := o.made(t, "group", "create", name)
	require.Equal(t, own, o.object(t, "group", "show", name)["uuid"], "one's own before those below")
}

func credentialsComeFromManyPlaces(t *testing.T, o operator) {
	name, id := o.s.addUser(t, "user", "auth.#")
	require.Contains(t, o.good(t, "user", "-h"), "XIVO_AUTH_TOKEN", "the help says where from")
	sees := func(o operator, args ...string) {
		t.Helper()
		require.Equal(t, id.String(), o.object(t, append(args, "user", "show", name)...)["uuid"])
	}
	sees(o) // the environment
	nobody := o.with(map[string]string{"XIVO_AUTH_USERNAME": "", "XIVO_AUTH_PASSWORD": "", "XIVO_AUTH_URL": ""})
	nobody.bad(t, "no credentials", "user", "list", "--url", o.s.apis[0].url)
	tok := o.s.login(t, o.s.apis[0], name, nil).Token
	sees(nobody.with(map[string]string{"XIVO_AUTH_TOKEN": tok, "XIVO_AUTH_URL": o.s.apis[0].url}))
	sees(nobody, "--token", tok, "--url", o.s.apis[0].url, "--insecure")
	host, port, _ := strings.Cut(strings.TrimPrefix(o.s.apis[0].url, "http://"), ":")
	sees(nobody, "--token", tok, "--hostname", host, "--port", port, "--no-ssl", "yes")
	nobody.bad(t, "answered 401", "user", "list", "--token", unknown, "--url", o.s.apis[0].url)
	_, stderr, _ := nobody.run(t, "", "user", "list", "--token", unknown, "--url", o.s.apis[0].url)
	require.NotContains(t, stderr, unknown)

	// Options win over the environment, the environment over files.
	o.with(map[string]string{"XIVO_AUTH_TOKEN": unknown}).bad(t, "answered 401", "user", "list")
	sees(o.with(map[string]string{"XIVO_AUTH_TOKEN": unknown}), "--auth-username", name)
	dir := t.TempDir()
	text := fmt.Sprintf("auth:\n  host: %s\n  port: %s\n  https: false\n  prefix: null\n  username: %s\n  password: %s\n  backend: wazo_user\n", host, port, name, o.s.password)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "050-credentials.yml"), []byte(text), 0o600))
	sees(nobody, "--config", dir)
	sees(nobody.with(map[string]string{"WAZO_AUTH_CLI_CONFIG": dir}))
	o.with(map[string]string{"XIVO_AUTH_USERNAME": "nobody-" + random(4)}).bad(t, "answered 401", "user", "list", "--config", dir)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "010-first.yml"), []byte("auth: {backend: none_such}\n"), 0o600))
	sees(nobody, "--config", dir) // files complete each other, and a backend of any name is sent along
	require.NoError(t, os.WriteFile(filepath.Join(dir, "010-first.yml"), []byte("auth: ["+o.s.password+"\n"), 0o600))
	nobody.bad(t, "is no mapping of auth settings", "user", "list", "--config", dir)
	nobody.bad(t, "--config", "user", "list", "--config", filepath.Join(dir, "missing"))
	nobody.bad(t, "client: GET", "user", "list", "--token", tok, "--url", "http://"+freeAddress(t))
}

func loginsEndWithTheCommand(t *testing.T, o operator) {
	name, id := o.s.addUser(t, "user", "auth.#")
	mine := o.with(map[string]string{"XIVO_AUTH_USERNAME": name})
	mine.good(t, "user", "list")
	mine.bad(t, "Unknown user", "user", "show", "nobody")
	mine.bad(t, "Unknown tenant", "user", "list", "--tenant", "none")
	require.Zero(t, o.s.count(t, "SELECT count(*) FROM tokens WHERE user_uuid = $1", id))
}

func theShellCompletes(t *testing.T, o operator) {
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		require.Contains(t, o.good(t, "completion", shell), "xivo-auth", shell)
	}
	words := func(args ...string) string {
		t.Helper()
		stdout, _, code := o.run(t, "", append([]string{"__complete"}, args...)...)
		require.Zero(t, code)
		return stdout
	}
	require.Contains(t, words("user", "create", "x", "--purpose", ""), "external_api")
	require.Contains(t, words("policy", "list", "--column", ""), "description")
	require.Contains(t, words("user", "list", "-f", ""), "yaml")
	require.Contains(t, words("session", ""), "wipe")
}

func bootstrapCompletes(t *testing.T, o operator) {
	settings := map[string]string{"log_level": "error"}
	for k, v := range o.s.common {
		if k != "log_level" {
			settings[k] = v
		}
	}
	home := t.TempDir()
	settings["HOME"] = home
	admin := operator{o.s, settings}
	path := filepath.Join(home, ".config", "xivo-auth", "050-credentials.yml")
	form := regexp.MustCompile(`^auth:\n  username: wazo-auth-cli\n  password: ([0-9a-zA-Z]{28})\n  backend: wazo_user\n$`)
	read := func() (text, password string) {
		t.Helper()
		info, err := os.Stat(path)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode())
		b, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Regexp(t, form, string(b))
		password = form.FindStringSubmatch(string(b))[1]
		o.s.secret(password)
		return string(b), password
	}
	printed := func(says string, args ...string) {
		t.Helper()
		out := admin.good(t, append([]string{"bootstrap", "complete"}, args...)...)
		require.Contains(t, out, says)
		if _, err := os.Stat(path); err == nil {
			_, password := read()
			require.NotContains(t, out, password)
		}
	}
	printed("made user wazo-auth-cli")
	first, firstPassword := read()
	printed("is there already")
	again, _ := read()
	require.Equal(t, first, again)
	entries, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, entries, 1, "nothing else is left")

	// The file is good for the command line, by default and through --config.
	elsewhere := operator{o.s, map[string]string{"HOME": home, "XIVO_AUTH_URL": o.s.apis[0].url}}
	token := elsewhere.good(t, "token", "create")
	o.s.secret(token)
	require.Equal(t, []any{"#"}, elsewhere.object(t, "token", "show", token)["acl"])
	elsewhere.env["HOME"] = t.TempDir()
	require.Contains(t, elsewhere.good(t, "user", "list", "--config", filepath.Dir(path)), "wazo-auth-cli")

	// Without the file: another password, and the sessions are over.
	require.NoError(t, os.Remove(path))
	printed("another password")
	second, secondPassword := read()
	require.NotEqual(t, firstPassword, secondPassword)
	require.Equal(t, http.StatusNotFound, o.s.check(t, o.s.apis[0], token, noScope))
	require.Contains(t, elsewhere.good(t, "user", "list", "--config", filepath.Dir(path)), "wazo-auth-cli")

	// An old file says a password that is not the user's any more.
	require.NoError(t, os.WriteFile(path, []byte(first), 0o600))
	admin.bad(t, "User wazo-auth-cli exists already with different credential", "bootstrap", "complete")
	require.NoError(t, os.WriteFile(path, []byte("auth: {username: x}\n"), 0o600))
	admin.bad(t, "has no username and password under auth", "bootstrap", "complete")
	// Where no file can be written, nothing changes.
	admin.bad(t, "--file", "bootstrap", "complete", "--file", filepath.Join(path, "below", "a-file.yml"))
	require.NoError(t, os.WriteFile(path, []byte(second), 0o600))
	printed("is there already")

	// A file somewhere else, with somebody of another name, as wazo-auth left it.
	other := filepath.Join(home, ".config", "wazo-auth-cli", "050-credentials.yml")
	require.NoError(t, os.MkdirAll(filepath.Dir(other), 0o700))
	name := "cli-" + random(4)
	require.NoError(t, os.WriteFile(other, fmt.Appendf(nil, "auth:\n  username: %s\n  password: %s\n  backend: wazo_user\n", name, o.s.password), 0o600))
	printed("made user "+name, "--file", other)
	require.NoError(t, os.Remove(path))
	printed("user "+name+" is there already", []string{}...)
	require.NoFileExists(t, path, "the file of wazo-auth-cli will do")

	// Variables of wazo-auth-bootstrap.
	named := admin.with(map[string]string{"WAZO_AUTH_BOOTSTRAP_USERNAME": "w-" + name, "WAZO_AUTH_BOOTSTRAP_PASSWORD": o.s.password, "WAZO_AUTH_BOOTSTRAP_URI": o.s.uri, "db_uri": ""})
	require.Equal(t, "made user w-"+name, named.good(t, "bootstrap", "initial-user"))
	named.with(map[string]string{"WAZO_AUTH_BOOTSTRAP_PURPOSE": "fun"}).bad(t, "purpose", "bootstrap", "initial-user")
	named.with(map[string]string{"WAZO_AUTH_BOOTSTRAP_USERNAME": "y-" + name, "WAZO_AUTH_BOOTSTRAP_POLICY_SLUG": "none"}).bad(t, `policy "none"`, "bootstrap", "initial-user")

	// Several at once agree on one file.
	require.NoError(t, os.Remove(other))
	parallel(t, 4, func(int) error {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, program(t, "xivo-auth"), "bootstrap", "complete")
		cmd.Env = env(admin.env)
		out, err := cmd.CombinedOutput()
		if err != nil {
			err = fmt.Errorf("%w: %s", err, out)
		}
		return err
	})
	read()
	require.Contains(t, elsewhere.good(t, "user", "list", "--config", filepath.Dir(path)), "wazo-auth-cli")
}
