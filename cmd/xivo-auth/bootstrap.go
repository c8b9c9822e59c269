package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"github.com/xivo-auth/xivo-auth/config"
	"github.com/xivo-auth/xivo-auth/identity"
	"github.com/xivo-auth/xivo-auth/password"
	"github.com/xivo-auth/xivo-auth/token"
)

// firstUsername is the name that the first user has if nobody says otherwise.
const firstUsername = "wazo-auth-cli"

func bootstrap() *cobra.Command {
	c := &cobra.Command{Use: "bootstrap", Short: "Make the first user",
		Long: "Make the first user. Variables WAZO_AUTH_BOOTSTRAP_URI, _USERNAME, _PASSWORD, _PURPOSE and _POLICY_SLUG count like\n" +
			"XIVO_AUTH_DB_URI, XIVO_AUTH_BOOTSTRAP_USER_USERNAME and so on, which win."}
	c.PersistentPreRunE = func(*cobra.Command, []string) error { return historicVariables() }
	c.AddCommand(initialUser(), completeBootstrap())
	return c
}

// historicVariables has the variables of wazo-auth-bootstrap count as ours.
func historicVariables() error {
	for theirs, ours := range map[string]string{"URI": "DB_URI", "USERNAME": "BOOTSTRAP_USER_USERNAME", "PASSWORD": "BOOTSTRAP_USER_PASSWORD",
		"PURPOSE": "BOOTSTRAP_USER_PURPOSE", "POLICY_SLUG": "BOOTSTRAP_USER_POLICY_SLUG"} {
		text := os.Getenv("WAZO_AUTH_BOOTSTRAP_" + theirs)
		if text == "" || os.Getenv("XIVO_AUTH_"+ours) != "" {
			continue
		}
		if err := os.Setenv("XIVO_AUTH_"+ours, text); err != nil {
			return fmt.Errorf("WAZO_AUTH_BOOTSTRAP_%s: %w", theirs, err)
		}
	}
	return nil
}

func initialUser() *cobra.Command {
	c := &cobra.Command{
		Use:   "initial-user",
		Short: "Make the first user in the top tenant, unless it is there",
		Long: "Make the first user in the top tenant, unless somebody can log in with these credentials already.\n" +
			"The password comes from XIVO_AUTH_BOOTSTRAP_USER_PASSWORD or a configuration file, never from an option:\n" +
			"options are visible to everybody on the host.",
		Args: cobra.NoArgs,
	}
	username := c.Flags().String("username", "", "name of the user (bootstrap_user_username; default "+firstUsername+")")
	purpose := c.Flags().String("purpose", "", "user, internal or external_api (bootstrap_user_purpose)")
	policy := c.Flags().String("policy-slug", "", "slug of the policy that the user gets (bootstrap_user_policy_slug)")
	complete(c, "purpose", purposes...)
	c.RunE = withDatabase(func(ctx context.Context, cfg config.Tool, pool *pgxpool.Pool, log *slog.Logger) error {
		in := initial(cfg)
		in.Username, in.Purpose, in.PolicySlug = either(*username, in.Username), either(*purpose, in.Purpose), either(*policy, in.PolicySlug)
		if in.Password = cfg.BootstrapUserPassword.Reveal(); in.Password == "" {
			return errors.New("set XIVO_AUTH_BOOTSTRAP_USER_PASSWORD, or make a password and a file of it with: xivo-auth bootstrap complete")
		}
		return makeFirst(ctx, users(cfg, pool, log), in)
	})
	return c
}

// initial is the first user of the configuration, without a password.
func initial(cfg config.Tool) identity.Initial {
	return identity.Initial{Username: either(cfg.BootstrapUserUsername, firstUsername), Purpose: cfg.BootstrapUserPurpose, PolicySlug: cfg.BootstrapUserPolicySlug}
}

// makeFirst makes the first user, or finds it with this password.
func makeFirst(ctx context.Context, u *identity.Users, in identity.Initial) error {
	created, err := u.Bootstrap(ctx, in)
	if err != nil {
		return err
	}
	if created {
		fmt.Printf("made user %s\n", visible(in.Username))
	} else {
		fmt.Printf("user %s is there already\n", visible(in.Username))
	}
	return nil
}

func either(first, second string) string {
	if first != "" {
		return first
	}
	return second
}

// hasher makes hashes at the configured cost, one at a time.
func hasher(cfg config.Tool) *password.Hasher {
	p := password.Params{MemoryKiB: uint32(cfg.PasswordHash.MemoryKiB), Iterations: uint32(cfg.PasswordHash.Iterations), //nolint:gosec // bounded by config
		Parallelism: uint8(cfg.PasswordHash.Parallelism)} //nolint:gosec // bounded by config
	return password.New(p, 1, 1)
}

func users(cfg config.Tool, pool *pgxpool.Pool, log *slog.Logger) *identity.Users {
	wake := func() {} // the command notifies once, where lifetimes end
	return identity.NewUsers(pool, hasher(cfg), token.New(token.Deps{Pool: pool, Log: log, Wake: wake}), nil, wake)
}
