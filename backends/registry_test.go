package backends_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/xivo-auth/xivo-auth/backends"
)

// claimer says yes, no or cannot tell.
type claimer struct {
	method string
	mine   bool
	err    error
}

func (c claimer) Method() string { return c.method }
func (c claimer) Claims(context.Context, *backends.Request) (bool, error) {
	return c.mine, c.err
}

func (c claimer) Verify(context.Context, *backends.Request) (backends.Accepted, error) {
	return backends.Accepted{}, backends.ErrRejected
}

func (c claimer) BackendFor(context.Context, string) (backends.Backend, error) {
	return nil, backends.ErrRejected
}

func TestTheFirstProviderInRisingPriorityThatClaimsARequestHasIt(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	r := backends.NewRegistry(slog.New(slog.NewTextHandler(&log, nil)), []backends.Entry{
		{Provider: claimer{method: "last", mine: true}, Priority: 9}, {Provider: claimer{method: "broken", err: errors.New("oops")}, Priority: 1},
		{Provider: claimer{method: "no"}, Priority: 2}, {Provider: claimer{method: "first", mine: true}, Priority: 3},
		{Provider: claimer{method: "equal", mine: true}, Priority: 3},
	}, []string{"b", "a"})
	require.Equal(t, "first", r.For(t.Context(), &backends.Request{}).Method(), "equal priorities keep their order")
	require.Contains(t, log.String(), "oops", "a provider that fails when asked is logged and skipped")
	require.Equal(t, []string{"a", "b"}, r.Names())
}

func TestNobodyClaims(t *testing.T) {
	t.Parallel()
	r := backends.NewRegistry(slog.New(slog.DiscardHandler), []backends.Entry{{Provider: claimer{method: "no"}}}, nil)
	require.Nil(t, r.For(t.Context(), &backends.Request{}))
}

func TestAMethodIsServedByItsLowestPriority(t *testing.T) {
	t.Parallel()
	low, high := claimer{method: "m", mine: true}, claimer{method: "m"}
	r := backends.NewRegistry(slog.New(slog.DiscardHandler), []backends.Entry{{Provider: high, Priority: 5}, {Provider: low, Priority: 4}}, nil)
	p, err := r.ByMethod("m")
	require.NoError(t, err)
	require.Equal(t, low, p)
	_, err = r.ByMethod("other")
	require.ErrorIs(t, err, errors.ErrUnsupported)
}
