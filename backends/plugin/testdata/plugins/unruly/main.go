// Command unruly is a plug-in of the host's tests. Its name, and the login that it is called with, say what it does wrong.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pluginpb "github.com/xivo-auth/xivo-auth/backends/plugin/proto"
	"github.com/xivo-auth/xivo-auth/backends/pluginsdk"
)

type backend struct {
	pluginsdk.BackendDefaults

	settings struct {
		Marker string `json:"marker"`
	}
	xivo *string
}

func (b *backend) Load(_ context.Context, c pluginsdk.Config) error {
	b.xivo = c.XivoUUID
	if err := c.Settings(&b.settings); err != nil {
		return err
	}
	if _, err := os.Stat("crash_after_load"); err == nil {
		go func() { os.Exit(3) }()
	}
	return nil
}

func (*backend) ServiceAccess() []string {
	if name() == "token" {
		return []string{"a.b"}
	}
	return nil
}

// held is memory that is never given back.
var held [][]byte

func (*backend) VerifyPassword(ctx context.Context, login, password string, r *pluginsdk.Request) (bool, error) {
	switch login {
	case "hang":
		fmt.Fprintln(os.Stderr, "hanging")
		<-ctx.Done()
		select {}
	case "die":
		os.Exit(7)
	case "panic":
		panic(password)
	case "fail":
		return false, errors.New("the directory said no to " + password)
	case "refuse":
		return true, pluginsdk.ErrRejected
	case "api_error":
		s, err := status.New(codes.NotFound, "ignored").WithDetails(&pluginpb.ApiError{ErrorId: "unknown-realm", Message: "No such realm", Resource: "realms", DetailsJson: []byte(`{"realm":"x"}`)})
		if err != nil {
			return false, err
		}
		return false, s.Err()
	case "noisy":
		fmt.Fprintln(os.Stderr, strings.Repeat("x", 100_000))
		for range 5000 {
			fmt.Fprintln(os.Stderr, "noise")
		}
	case "leak":
		b := make([]byte, 200<<20)
		for i := range b {
			b[i] = 1
		}
		held = append(held, b)
	case "token":
		return pluginsdk.ServiceToken(ctx) == password, nil
	case "environment":
		return os.Getenv("XIVO_AUTH_TEST_SECRET") == "" && os.Getenv("PATH") != "", nil
	case "raw":
		return r.Raw["realm"] == password && r.Mobile && r.UserAgent == "agent" && r.RemoteAddr == "192.0.2.7" && r.Backend == "unruly", nil
	}
	return login == "alice" && password == "s3cret!", nil
}

func (*backend) AccessList(_ context.Context, s pluginsdk.Subject, _ *pluginsdk.Request) ([]string, error) {
	switch s.Login {
	case "many":
		return make([]string, 20_001), nil
	case "huge":
		return []string{strings.Repeat("x", 2<<20)}, nil
	case "default":
		return nil, pluginsdk.ErrNotOffered
	}
	return []string{"a.b", "c.#"}, nil
}

func (b *backend) Metadata(_ context.Context, s pluginsdk.Subject) (map[string]any, error) {
	switch s.Login {
	case "huge":
		return map[string]any{"x": strings.Repeat("x", 70_000)}, nil
	case "default":
		return nil, pluginsdk.ErrNotOffered
	case "base":
		return s.BaseMetadata(), nil
	}
	return map[string]any{"auth_id": "id of " + s.Login, "pid": os.Getpid(), "marker": b.settings.Marker}, nil
}

func name() string { return filepath.Base(os.Args[0]) }

func main() {
	switch name() {
	case "garbage":
		fmt.Println("Hello, I am no plug-in")
		return
	case "endless":
		for {
			fmt.Print(strings.Repeat("x", 1<<16))
		}
	case "newer":
		fmt.Println("1|99|unix|/nowhere|grpc|")
		_, _ = io.Copy(io.Discard, os.Stdin)
		return
	case "elsewhere":
		fmt.Println("1|1|tcp|192.0.2.1:80|grpc|")
		_, _ = io.Copy(io.Discard, os.Stdin)
		return
	case "silent":
		_, _ = io.Copy(io.Discard, os.Stdin)
		return
	case "crash":
		os.Exit(2)
	case "provider", "mute", "slow":
		pluginsdk.ServeIdentityProvider(&provider{})
	}
	pluginsdk.ServeBackend(&backend{})
}

type provider struct {
	pluginsdk.IdentityProviderDefaults
}

func (*provider) Method() string {
	if name() == "mute" {
		return ""
	}
	return name()
}

func (*provider) Claims(ctx context.Context, r *pluginsdk.Request) (bool, error) {
	if name() == "slow" {
		<-ctx.Done()
		return false, ctx.Err()
	}
	return r.Raw["mine"] == true, nil
}

func (*provider) Verify(_ context.Context, r *pluginsdk.Request) (pluginsdk.Accepted, error) {
	switch r.Login {
	case "nobody":
		return pluginsdk.Accepted{}, pluginsdk.ErrRejected
	case "lost":
		return pluginsdk.Accepted{Backend: "gone"}, nil
	}
	r.Raw["written"] = "by the provider"
	return pluginsdk.Accepted{Login: strings.ToLower(r.Login), Backend: "unruly", Foreign: true}, nil
}
