package config

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSwitchesAreTurnedAllOrNone(t *testing.T) {
	t.Parallel()
	c := DefaultAPI()
	c.LogLevel = "warning"
	level := new(slog.LevelVar)
	level.Set(c.Level())
	refuse := errors.New("no")
	var failing bool
	l := NewLive(&c, level, nil, func(context.Context, []Change) error {
		if failing {
			return refuse
		}
		return nil
	})
	require.Equal(t, 30, l.Show()["log_level"])
	require.NoError(t, l.Apply(t.Context(), []Change{{SwitchDebug, true}, {SwitchProfiling, true}}))
	require.Equal(t, slog.LevelDebug, level.Level())
	require.True(t, l.Profiling())
	require.Equal(t, 30, l.Show()["log_level"])
	failing = true
	require.ErrorIs(t, l.Apply(t.Context(), []Change{{SwitchDebug, false}, {SwitchProfiling, false}}), refuse)
	require.Equal(t, slog.LevelDebug, level.Level())
	require.True(t, l.Profiling())
	require.NoError(t, l.Apply(t.Context(), nil), "nothing to record")
	failing = false
	require.NoError(t, l.Apply(t.Context(), []Change{{SwitchDebug, false}}))
	require.Equal(t, slog.LevelWarn, level.Level())
}

func TestEveryKeyIsShownAndNoSecret(t *testing.T) {
	t.Parallel()
	const secret = "not-to-be-seen"
	c := DefaultAPI()
	c.SealingKeys = []SealingKey{{ID: "k1", Key: [32]byte{'n', 'o', 't'}}}
	for _, s := range settings(&c) { // whatever is added later, too
		switch s.value.Type() {
		case reflect.TypeFor[Secret]():
			s.value.SetString(secret)
		case reflect.TypeFor[URI]():
			s.value.SetString("amqp://guest:" + secret + "@localhost/")
		}
	}
	c.PluginSettings = map[string]map[string]any{"idp/x": {"password": secret}}
	c.DefaultPolicies = map[string]Policy{"a": {ACL: []string{"x.#"}, Description: "d"}}
	shown := NewLive(&c, new(slog.LevelVar), []string{"wazo_user"}, nil).Show()
	text, err := json.Marshal(shown)
	require.NoError(t, err)
	require.NotContains(t, string(text), secret)
	for _, s := range settings(&c) {
		_, found, err := lookup(shown, s.key)
		require.NoError(t, err)
		require.True(t, found, s.key)
	}
	require.Equal(t, map[string]any{"a": map[string]any{"acl": []any{"x.#"}, "description": "d"}}, shown["default_policies"])
	require.Equal(t, "amqp://guest:***@localhost/", shown["amqp"].(map[string]any)["uri"]) //nolint:forcetypeassert // a section
	require.Equal(t, []any{"k1:***"}, shown["sealing_keys"])
	require.Nil(t, shown["default_user_policy"], "what is not set")
	require.Equal(t, []string{"wazo_user"}, shown["loaded_plugins"])
}
