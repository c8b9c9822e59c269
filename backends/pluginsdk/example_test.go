package pluginsdk_test

import (
	"context"
	"crypto/subtle"
	"fmt"

	"github.com/xivo-auth/xivo-auth/backends/pluginsdk"
)

// source knows one user. The main function of its program is: pluginsdk.ServeBackend(&source{}).
type source struct {
	pluginsdk.BackendDefaults

	Password string `json:"password"`
}

func (s *source) Load(_ context.Context, c pluginsdk.Config) error { return c.Settings(s) }

func (s *source) VerifyPassword(_ context.Context, login, password string, _ *pluginsdk.Request) (bool, error) {
	return login == "alice" && subtle.ConstantTimeCompare([]byte(password), []byte(s.Password)) == 1, nil
}

func (*source) Metadata(_ context.Context, s pluginsdk.Subject) (map[string]any, error) {
	return map[string]any{"auth_id": "id of " + s.Login}, nil
}

func Example() {
	var b pluginsdk.Backend = &source{Password: "s3cret!"}
	for _, password := range []string{"s3cret!", "wrong"} {
		ok, err := b.VerifyPassword(context.Background(), "alice", password, &pluginsdk.Request{})
		fmt.Println(ok, err)
	}
	m, err := b.Metadata(context.Background(), pluginsdk.Subject{Login: "alice"})
	fmt.Println(m["auth_id"], err)
	_, err = b.AccessList(context.Background(), pluginsdk.Subject{Login: "alice"}, &pluginsdk.Request{})
	fmt.Println(err)
	// Output:
	// true <nil>
	// false <nil>
	// id of alice <nil>
	// not offered by this plug-in
}
