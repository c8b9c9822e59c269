package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"syscall"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"github.com/xivo-auth/xivo-auth/config"
	"github.com/xivo-auth/xivo-auth/db"
)

const (
	credentialsName = "050-credentials.yml"
	// passwordLength of a made password, whose characters are those of passwordCharacters: 166 bits.
	passwordLength     = 28
	passwordCharacters = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
)

// completeBootstrap makes the first user together with the file that the command line logs in with.
func completeBootstrap() *cobra.Command {
	c := &cobra.Command{
		Use:   "complete",
		Short: "Make the first user and the file of credentials that the command line logs in with",
		Long: "Make the first user and the file of credentials that the command line logs in with.\n" +
			"If the file is there, the user of the file is made, unless it is there; running it again changes nothing. If the file is\n" +
			"missing, the user " + firstUsername + " is made, or gets another password and loses its sessions, and the file is written for\n" +
			"its owner alone. Its password is random and never printed.",
		Example: "  xivo-auth bootstrap complete\n" +
			"  xivo-auth bootstrap complete --file /root/.config/wazo-auth-cli/" + credentialsName,
		Args: cobra.NoArgs,
	}
	file := c.Flags().String("file", "", "the file (default ~/.config/xivo-auth/"+credentialsName+", or that of ~/.config/wazo-auth-cli if it is there)")
	c.RunE = withDatabase(func(ctx context.Context, cfg config.Tool, pool *pgxpool.Pool, log *slog.Logger) error {
		path, err := credentialsFile(*file, os.Getenv)
		if err != nil {
			return err
		}
		unlock, err := lockFolder(filepath.Dir(path))
		if err != nil {
			return fmt.Errorf("--file: %w", err)
		}
		defer unlock()
		in := initial(cfg)
		switch s, err := readSettings(path); {
		case err == nil:
			if in.Username, in.Password = value(s.Username), value(s.Password); in.Username == "" || in.Password == "" {
				return fmt.Errorf("%s has no username and password under auth", path)
			}
			return makeFirst(ctx, users(cfg, pool, log), in)
		case !errors.Is(err, fs.ErrNotExist):
			return fmt.Errorf("--file: %w", err)
		}
		in.Username = firstUsername
		if in.Password, err = randomPassword(); err != nil {
			return err
		}
		said := "made user " + in.Username
		err = writeCredentials(path, in.Username, in.Password, func() error {
			created, err := users(cfg, pool, log).Reclaim(ctx, in)
			if err == nil && !created {
				said = "gave user " + in.Username + " another password"
				err = db.New().LifetimeDueNotify(ctx, pool)
			}
			return err
		})
		if err == nil {
			fmt.Printf("%s, the credentials are in %s\n", said, path)
		}
		return err
	})
	return c
}

func credentialsFile(option string, getenv func(string) string) (string, error) {
	if option != "" {
		return option, nil
	}
	folders := homeFolders(getenv)
	if len(folders) == 0 {
		return "", errors.New("--file: must be given where HOME is not set")
	}
	for _, folder := range folders {
		path := filepath.Join(folder, credentialsName)
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			return path, nil
		}
	}
	return filepath.Join(folders[0], credentialsName), nil
}

// lockFolder makes a folder, and has others who lock it wait: of two at once, one makes the file and the other finds it.
func lockFolder(folder string) (unlock func(), err error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, err
	}
	f, err := os.Open(folder) //nolint:gosec // the caller's choice
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", folder, err), f.Close())
	}
	return func() { _ = f.Close() }, nil // closing unlocks
}

// writeCredentials writes the file, for its owner alone, around what makes the credentials good: nothing is stored where the
// file cannot be written, and the file appears whole, or not at all.
func writeCredentials(path, username, password string, store func() error) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".credentials-*") // mode 0600
	if err != nil {
		return fmt.Errorf("--file: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	_, err = fmt.Fprintf(f, "auth:\n  username: %s\n  password: %s\n  backend: wazo_user\n", username, password)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("--file: %w", err)
	}
	if err := store(); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return fmt.Errorf("--file: %w; the password is lost, run the command again", err)
	}
	return nil
}

func randomPassword() (string, error) {
	b := make([]byte, passwordLength)
	for i := range b {
		n, err := rand.Int(rand.Reader, big.NewInt(int64(len(passwordCharacters))))
		if err != nil {
			return "", fmt.Errorf("make a password: %w", err)
		}
		b[i] = passwordCharacters[n.Int64()]
	}
	return string(b), nil
}
