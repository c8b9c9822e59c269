package workflows

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"
)

func TestClusterThatIsAwayIsToldFromOneThatSaysNo(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, listener.Close()) // nobody is there
	sdk, err := client.NewLazyClient(client.Options{HostPort: listener.Addr().String(), Logger: sdklog.NewStructuredLogger(silent())})
	require.NoError(t, err)
	t.Cleanup(sdk.Close)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()

	c := NewClient(sdk, "queue", silent())
	require.True(t, OutOfReach(c.Revoke(ctx, uuid.New(), ReasonLogout)))
	require.True(t, OutOfReach(c.Start(ctx, StartLifetime{Input: LifetimeInput{SessionUUID: session, ExpiresAt: issued}})))
	require.True(t, OutOfReach(Provision(ctx, sdk, "any", silent())))

	require.False(t, OutOfReach(nil))
	require.False(t, OutOfReach(errors.New("broken")))
	require.False(t, OutOfReach(serviceerror.NewPermissionDenied("no", "")))
}

func TestLifetimeWithoutSessionOrExpiryIsNotStarted(t *testing.T) {
	t.Parallel()
	c := NewClient(nil, "queue", silent())
	require.Error(t, c.Start(t.Context(), StartLifetime{Input: LifetimeInput{ExpiresAt: issued}}))
	require.Error(t, c.Start(t.Context(), StartLifetime{Input: LifetimeInput{SessionUUID: session}}))
}
