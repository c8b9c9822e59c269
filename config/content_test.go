package config

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSlugsThatCannotStandSideBySideAreRefused(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("é", 80)
	environ := written(t, `
default_policies: {Admin: {acl: []}, admin: {acl: []}, `+long+`: {acl: []}}
tenant_default_groups: {`+long+`x: {}}
`, nil)
	_, _, err := loadAPI(t, environ)
	require.ErrorContains(t, err, "default_policies: Admin and admin differ in case only")
	require.ErrorContains(t, err, "tenant_default_groups: "+long+"x: must have 1 to 80 characters")
	require.NotContains(t, err.Error(), long+":")
}

func TestContentIsKeptUnlessSwitchedOff(t *testing.T) {
	t.Parallel()
	cfg, _, err := loadAPI(t, written(t, "", nil))
	require.NoError(t, err)
	require.True(t, cfg.UpdatePolicyOnStartup)
	cfg, _, err = loadAPI(t, append(written(t, "update_policy_on_startup: true", nil), "XIVO_AUTH_UPDATE_POLICY_ON_STARTUP=false"))
	require.NoError(t, err)
	require.False(t, cfg.UpdatePolicyOnStartup)
}
