package mock_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/xivo-auth/xivo-auth/backends"
	"github.com/xivo-auth/xivo-auth/backends/backendtest"
	"github.com/xivo-auth/xivo-auth/backends/mock"
)

func TestMockPassesTheSuite(t *testing.T) {
	t.Parallel()
	backendtest.Run(t, func(*testing.T) backendtest.Fixture {
		return backendtest.Fixture{Provider: mock.Source{}, Login: "foo", Password: "bar", Backend: mock.Name}
	})
}

func TestMockAnswersOnlyWhenItIsNamed(t *testing.T) {
	t.Parallel()
	mine, err := mock.Source{}.Claims(t.Context(), &backends.Request{Login: "foo", Password: "bar", Backend: "wazo_user"})
	require.NoError(t, err)
	require.False(t, mine)
}
