package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/xivo-auth/xivo-auth/client"
)

// bindPasswordVariable keeps the password of the service account out of the list of processes.
const bindPasswordVariable = "XIVO_AUTH_LDAP_BIND_PASSWORD"

func ldap() *cobra.Command {
	r := &remote{}
	c := r.command("ldap", "Work with the directories that tenants' users log in with")
	config := &cobra.Command{Use: "config", Short: "Work with the directory of a tenant"}
	config.AddCommand(ldapUpdate(r),
		&cobra.Command{Use: "show", Short: "Print it", Args: cobra.NoArgs,
			RunE: r.do(func(ctx context.Context, auth *client.Client, _ []string) error {
				found, err := auth.LDAPConfigs.Get(ctx)
				if err != nil {
					return err
				}
				if found.Tenant == "" {
					return errors.New("the tenant has no directory")
				}
				return printJSON(os.Stdout, found)
			})},
		&cobra.Command{Use: "delete", Short: "Remove it; users of the directory cannot log in any more", Args: cobra.NoArgs,
			RunE: r.do(func(ctx context.Context, auth *client.Client, _ []string) error { return auth.LDAPConfigs.Delete(ctx) })})
	c.AddCommand(config)
	return c
}

func ldapUpdate(r *remote) *cobra.Command {
	const arguments = 5
	c := &cobra.Command{Use: "update HOST PORT BASE_DN LOGIN_ATTR EMAIL_ATTR", Short: "Set it and print it", Args: cobra.ExactArgs(arguments),
		Long: "Set it and print it. An option that is left out keeps what there is, but for --protocol_version; an empty one removes it.\n" +
			"The password of the service account comes best from the variable " + bindPasswordVariable + ": options are visible to\neverybody on the host."}
	version := c.Flags().Int("protocol_version", 0, "2 or 3 (default 3)")
	texts := map[string]*string{}
	for name, usage := range map[string]string{
		"protocol_security": "tls (StartTLS) or ldaps; empty for clear text",
		"bind_dn":           "the service account that looks entries up",
		"bind_password":     "its password",
		"search_filters":    "template of the filter that finds the entry of a login, such as (mail={username})",
	} {
		texts[name] = c.Flags().String(name, "", usage)
	}
	c.RunE = r.do(func(ctx context.Context, auth *client.Client, args []string) error {
		port, err := strconv.Atoi(args[1])
		if err != nil {
			return fmt.Errorf("PORT: %q is no number", args[1])
		}
		given := func(name string) *string {
			if c.Flags().Changed(name) {
				return texts[name]
			}
			return nil
		}
		in := client.LDAPConfigChange{Host: args[0], Port: port, UserBaseDN: args[2], UserLoginAttribute: args[3], UserEmailAttribute: args[4],
			ProtocolVersion: *version, ProtocolSecurity: given("protocol_security"), BindDN: given("bind_dn"), BindPassword: given("bind_password"),
			SearchFilters: given("search_filters")}
		if password, set := os.LookupEnv(bindPasswordVariable); set && in.BindPassword == nil {
			in.BindPassword = &password
		}
		stored, err := auth.LDAPConfigs.Update(ctx, in)
		if err != nil {
			return err
		}
		return printJSON(os.Stdout, stored)
	})
	return c
}
