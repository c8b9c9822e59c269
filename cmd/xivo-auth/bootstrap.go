package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"github.com/xivo-auth/xivo-auth/config"
	"github.com/xivo-auth/xivo-auth/identity"
	"github.com/xivo-auth/xivo-auth/password"
	"github.com/xivo-auth/xivo-auth/token"
)

func bootstrap() *cobra.Command {
	c := &cobra.Command{Use: "bootstrap", Short: "Make the first user"}
	initial := &cobra.Command{
		Use:   "initial-user",
		Short: "Make the first user in the top tenant, unless it is there",
		Long: "Make the first user in the top tenant, unless somebody can log in with these credentials already.\n" +
			"The password comes from XIVO_AUTH_BOOTSTRAP_USER_PASSWORD or a configuration file, never from an option:\n" +
			"options are visible to everybody on the host.",
		Args: cobra.NoArgs,
	}
	username := initial.Flags().String("username", "", "name of the user (bootstrap_user_username)")
	purpose := initial.Flags().String("purpose", "", "user, internal or external_api (bootstrap_user_purpose)")
	policy := initial.Flags().String("policy-slug", "", "slug of the policy that the user gets (bootstrap_user_policy_slug)")
	initial.RunE = withDatabase(func(ctx context.Context, cfg config.Tool, pool *pgxpool.Pool, log *slog.Logger) error {
		in := identity.Initial{Username: either(*username, cfg.BootstrapUserUsername), Password: cfg.BootstrapUserPassword.Reveal(),
			Purpose: either(*purpose, cfg.BootstrapUserPurpose), PolicySlug: either(*policy, cfg.BootstrapUserPolicySlug)}
		if in.Username == "" || in.Password == "" {
			return errors.New("set XIVO_AUTH_BOOTSTRAP_USER_USERNAME (or --username) and XIVO_AUTH_BOOTSTRAP_USER_PASSWORD")
		}
		created, err := users(cfg, pool, log).Bootstrap(ctx, in)
		if err != nil {
			return err
		}
		if created {
			fmt.Printf("made user %s\n", in.Username)
		} else {
			fmt.Printf("user %s is there already\n", in.Username)
		}
		return nil
	})
	c.AddCommand(initial)
	return c
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
	wake := func() {} // a new user has no lifetimes
	return identity.NewUsers(pool, hasher(cfg), token.New(token.Deps{Pool: pool, Log: log, Wake: wake}), nil, wake)
}
