// Command backend-htpasswd is a backend for xivo-auth: users and passwords come from an htpasswd file (bcrypt, as made by
// `htpasswd -B`), what they may do from a JSON file. It is the example of the tutorial in README.md.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/google/uuid"
	"golang.org/x/crypto/bcrypt"

	"github.com/xivo-auth/xivo-auth/backends/pluginsdk"
)

// space makes the ids of this backend's users: the same login has the same id for ever.
var space = uuid.MustParse("5f3c9d9e-6b0c-4d5f-8f43-6d1f0a6f2f11")

// absent is what an unknown login is compared with, so that it takes as long as a wrong password.
const absent = "$2a$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy"

type source struct {
	pluginsdk.BackendDefaults
	// Users and Access are paths of files, from the configuration; both are read at each login.
	Users  string `json:"users"`
	Access string `json:"access"`
}

func (s *source) Load(_ context.Context, c pluginsdk.Config) error {
	s.Users, s.Access = "htpasswd", "access.json"
	if err := c.Settings(s); err != nil {
		return err
	}
	_, err := os.Stat(s.Users)
	return err
}

// VerifyPassword finds the login's hash and compares.
func (s *source) VerifyPassword(_ context.Context, login, password string, _ *pluginsdk.Request) (bool, error) {
	file, err := os.ReadFile(s.Users)
	if err != nil {
		return false, err
	}
	hash, known := absent, false
	for lines := bufio.NewScanner(bytes.NewReader(file)); lines.Scan(); {
		if name, h, ok := strings.Cut(lines.Text(), ":"); ok && name == login && name != "" {
			hash, known = strings.Replace(strings.TrimSpace(h), "$2y$", "$2a$", 1), true
		}
	}
	if len(password) > 72 { // bcrypt looks at no more
		known, password = false, ""
	}
	return bcrypt.CompareHashAndPassword([]byte(hash), []byte(password)) == nil && known, nil
}

// AccessList is the login's entry, or that of "*".
func (s *source) AccessList(_ context.Context, sub pluginsdk.Subject, _ *pluginsdk.Request) ([]string, error) {
	file, err := os.ReadFile(s.Access)
	if err != nil {
		return nil, err
	}
	var lists map[string][]string
	if err := json.Unmarshal(file, &lists); err != nil {
		return nil, fmt.Errorf("%s: %w", s.Access, err)
	}
	if list, ok := lists[sub.Login]; ok {
		return list, nil
	}
	return lists["*"], nil
}

// Metadata gives the user an id that stays.
func (s *source) Metadata(_ context.Context, sub pluginsdk.Subject) (map[string]any, error) {
	return map[string]any{"auth_id": uuid.NewSHA1(space, []byte(sub.Login)).String(), "username": sub.Login, "pbx_user_uuid": nil}, nil
}

func main() { pluginsdk.ServeBackend(&source{}) }
