package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/xivo-auth/xivo-auth/backends/ldap/ldaptest"
	"github.com/xivo-auth/xivo-auth/bench/load"
	"github.com/xivo-auth/xivo-auth/bench/report"
	"github.com/xivo-auth/xivo-auth/bench/stack"
	"github.com/xivo-auth/xivo-auth/client"
	"github.com/xivo-auth/xivo-auth/password"
)

const (
	ldapDomain = "bench.example.org"
	// ldapCallers log in at a time.
	ldapCallers = 16
)

// measureLDAP measures logins with a directory, and what one that hangs costs the others.
func (s *suite) measureLDAP(ctx context.Context) error {
	if !ldaptest.Installed() {
		return errors.New(ldaptest.Missing)
	}
	hash, err := password.New(productionCost, 1, 0).Hash(ctx, stack.Password)
	if err != nil {
		return err
	}
	through, bare, err := s.ldapLogins(ctx, "{ARGON2}"+hash)
	if err != nil {
		return err
	}
	s.report.Ratio("ldap_logins_over_bind", report.AtLeast(0.8), through, bare,
		fmt.Sprintf("%d callers; a bind: connect, bind, close; the directory keeps passwords as xivo-auth does, argon2id", ldapCallers))
	s.report.Add("ldap_logins_per_s", report.Goal{}, through, "with a service account: search, bind as the user")
	s.report.Add("ldap_bare_binds_per_s", report.Goal{}, bare, "")
	if through, bare, err = s.ldapLogins(ctx, stack.Password); err != nil {
		return err
	}
	s.report.Ratio("ldap_clear_logins_over_bind", report.Goal{}, through, bare, "the directory keeps passwords in clear: a bind costs it next to nothing")
	s.report.Add("ldap_clear_logins_per_s", report.Goal{}, through, "")
	return s.besideHangingDirectory(ctx)
}

// ldapLogins compares logins with binds of the same users at the same server, each over a connection of its own. stored is
// the password as the directory keeps it.
func (s *suite) ldapLogins(ctx context.Context, stored string) (through, bare []float64, err error) {
	people := make([]ldaptest.Person, users)
	for i := range people {
		people[i] = ldaptest.Person{UID: stack.Username(i), Password: stored, Mails: []string{stack.Username(i) + "@example.com"}}
	}
	s.made++
	dir := filepath.Join(s.programs.Dir, fmt.Sprintf("slapd%02d", s.made))
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, nil, err
	}
	directory, err := ldaptest.Run(ctx, dir, people)
	if err != nil {
		return nil, nil, err
	}
	defer directory.Stop()
	db, drop, err := s.database(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer drop()
	if err := db.SeedOrganisation(ctx, stack.Organisation{Tenants: 1, Users: users, Policies: 1}, cheapCost); err != nil {
		return nil, nil, err
	}
	tenant := stack.Tenant(0)
	if err := ldapTenant(ctx, db, tenant); err != nil {
		return nil, nil, err
	}
	api, err := s.programs.API(ctx, db)
	if err != nil {
		return nil, nil, err
	}
	defer api.Stop()
	auth, err := administrator(ctx, api)
	if err != nil {
		return nil, nil, err
	}
	service, secret := ldaptest.ServiceDN, ldaptest.ServicePassword
	if _, err := auth.In(tenant).LDAPConfigs.Update(ctx, client.LDAPConfigChange{Host: "127.0.0.1", Port: directory.Port, UserBaseDN: ldaptest.PeopleDN,
		UserLoginAttribute: "uid", UserEmailAttribute: "mail", BindDN: &service, BindPassword: &secret}); err != nil {
		return nil, nil, err
	}
	logins := load.NewLogins(api.Address)
	defer logins.Close()
	login := func(ctx context.Context) error {
		_, err := logins.Directory(ctx, ldapDomain, stack.Username(rand.IntN(users)), stack.Password) //nolint:gosec // which user is no secret
		return err
	}
	bind := func(context.Context) error {
		return bareBind(directory.Port, fmt.Sprintf("uid=%s,%s", stack.Username(rand.IntN(users)), ldaptest.PeopleDN)) //nolint:gosec // which user is no secret
	}
	for _, f := range []func(context.Context) error{bind, login} { // warm up
		if _, err := load.Calls(ctx, ldapCallers, pick(s, 200*time.Millisecond, time.Second), f); err != nil {
			return nil, nil, err
		}
	}
	for range s.rounds() {
		for _, m := range []struct {
			f  func(context.Context) error
			to *[]float64
		}{{bind, &bare}, {login, &through}} {
			n, err := load.Calls(ctx, ldapCallers, pick(s, time.Second, 5*time.Second), m.f)
			if err != nil {
				return nil, nil, err
			}
			*m.to = append(*m.to, n)
		}
	}
	return through, bare, nil
}

// bareBind is all that a program can do to verify a password at a directory.
func bareBind(port int, dn string) error {
	c, err := goldap.DialURL("ldap://" + net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return err
	}
	return errors.Join(c.Bind(dn, stack.Password), c.Close())
}

// ldapTenant gives a tenant the domain, and its users the method.
func ldapTenant(ctx context.Context, db stack.Database, tenant string) error {
	if _, err := db.Pool.Exec(ctx, "INSERT INTO domains (tenant_uuid, name) VALUES ($1, $2)", tenant, ldapDomain); err != nil {
		return fmt.Errorf("seed a domain: %w", err)
	}
	if _, err := db.Pool.Exec(ctx, "UPDATE tenants SET default_authentication_method = 'ldap' WHERE uuid = $1", tenant); err != nil {
		return fmt.Errorf("give a tenant its method: %w", err)
	}
	return nil
}

// besideHangingDirectory compares native logins and checks while nothing else happens with those while logins of a tenant
// wait for a directory that takes connections and never answers.
func (s *suite) besideHangingDirectory(ctx context.Context) error {
	tokens := pick(s, 1_000, 100_000)
	db, drop, err := s.database(ctx)
	if err != nil {
		return err
	}
	defer drop()
	if _, err := db.SeedTokens(ctx, stack.Tokens{Count: tokens, Expiry: time.Now().Add(24 * time.Hour)}); err != nil {
		return err
	}
	if err := db.SeedUsers(ctx, users, cheapCost); err != nil {
		return err
	}
	hanging, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0") // the kernel takes connections; nobody else does
	if err != nil {
		return err
	}
	defer hanging.Close() //nolint:errcheck // nothing was accepted
	_, port, _ := net.SplitHostPort(hanging.Addr().String())
	var tenant string
	if err := db.Pool.QueryRow(ctx, `INSERT INTO tenants (parent_uuid, name, slug) SELECT uuid, 'hanging', 'hanging' FROM tenants WHERE uuid = parent_uuid
		RETURNING uuid::text`).Scan(&tenant); err != nil {
		return fmt.Errorf("seed a tenant: %w", err)
	}
	if err := ldapTenant(ctx, db, tenant); err != nil {
		return err
	}
	if _, err := db.Pool.Exec(ctx, `INSERT INTO ldap_configs (tenant_uuid, host, port, protocol_version, user_base_dn, user_login_attribute, user_email_attribute)
		VALUES ($1, '127.0.0.1', $2::text::integer, 3, 'dc=example,dc=org', 'uid', 'mail')`, tenant, port); err != nil {
		return fmt.Errorf("seed a directory: %w", err)
	}
	programs := s.programs
	programs.Settings = append([]string{fmt.Sprintf("XIVO_AUTH_PASSWORD_HASH_MEMORY_KIB=%d", cheapCost.MemoryKiB),
		fmt.Sprintf("XIVO_AUTH_PASSWORD_HASH_ITERATIONS=%d", cheapCost.Iterations)}, programs.Settings...)
	calm, beside := &situation{}, &situation{bad: func(ctx context.Context, l *load.Logins) {
		_, _ = l.Directory(ctx, ldapDomain, fmt.Sprint("somebody", rand.Uint64()), "wrong") //nolint:gosec // any name will do
	}}
	for range s.rounds() {
		for _, x := range []*situation{calm, beside} {
			if err := s.beside(ctx, programs, db, x, tokens); err != nil {
				return err
			}
		}
	}
	worst := make([]float64, s.rounds())
	for i := range worst {
		worst[i] = slices.Max([]float64{beside.logins[i] / calm.logins[i], beside.checks[i] / calm.checks[i]})
	}
	s.report.Add("ldap_hang_p99_ratio", report.AtMost(1.5), worst, fmt.Sprintf("the worse of native logins and checks; %d logins/s for the hanging directory", badRate))
	s.report.Add("ldap_hang_logins_p99_ms", report.Goal{}, beside.logins, fmt.Sprintf("%d native logins/s, cheapest hash", nativeRate))
	s.report.Add("ldap_hang_checks_p99_ms", report.Goal{}, beside.checks, fmt.Sprintf("%d checks/s", checkRate))
	s.report.Add("ldap_calm_logins_p99_ms", report.Goal{}, calm.logins, "")
	s.report.Add("ldap_calm_checks_p99_ms", report.Goal{}, calm.checks, "")
	return nil
}
