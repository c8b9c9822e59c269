package pluginsdk

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	pluginpb "github.com/xivo-auth/xivo-auth/backends/plugin/proto"
)

func TestErrorsKeepTheirMeaningOnTheWire(t *testing.T) {
	t.Parallel()
	for want, err := range map[codes.Code]error{
		codes.OK:               nil,
		codes.Unauthenticated:  fmt.Errorf("no: %w", ErrRejected),
		codes.Unimplemented:    ErrNotOffered,
		codes.DeadlineExceeded: context.DeadlineExceeded,
		codes.Canceled:         context.Canceled,
		codes.NotFound:         status.Error(codes.NotFound, "x"),
		codes.Unknown:          errors.New("anything else"),
	} {
		require.Equal(t, want, status.Code(toStatus(err)), "%v", err)
	}
}

func TestPanicIsAnErrorWithoutItsValue(t *testing.T) {
	t.Parallel()
	_, err := recovered(t.Context(), nil, &grpc.UnaryServerInfo{FullMethod: "/x/Y"}, func(context.Context, any) (any, error) { panic("the password") })
	require.Equal(t, codes.Internal, status.Code(err))
	require.NotContains(t, err.Error(), "the password")
}

func TestServiceTokenIsReadFromTheCall(t *testing.T) {
	t.Parallel()
	require.Empty(t, ServiceToken(t.Context()))
	require.Equal(t, "x", ServiceToken(metadata.NewIncomingContext(t.Context(), metadata.Pairs(pluginpb.ServiceTokenKey, "x"))))
}

func TestBodyThatIsNoObjectIsRefused(t *testing.T) {
	t.Parallel()
	_, err := request(&pluginpb.Request{RawJson: []byte("[1]")})
	require.Equal(t, codes.InvalidArgument, status.Code(err))
	r, err := request(&pluginpb.Request{})
	require.NoError(t, err)
	require.NotNil(t, r.Raw)
}

func TestProgramIsOfOneKind(t *testing.T) {
	t.Parallel()
	p := plugin{kind: pluginpb.KindBackend}
	_, err := p.Load(t.Context(), &pluginpb.LoadRequest{Kind: pluginpb.KindIDP})
	require.Equal(t, codes.FailedPrecondition, status.Code(err))
}

func TestSettingsNameThePluginWhenTheyAreWrong(t *testing.T) {
	t.Parallel()
	var into struct{ N int }
	require.ErrorContains(t, Config{Name: "x", settings: []byte(`{"N": "a"}`)}.Settings(&into), "settings of plug-in x")
}

func TestBaseMetadataOfNobodyAreNull(t *testing.T) {
	t.Parallel()
	m := Subject{}.BaseMetadata()
	require.Len(t, m, 5)
	require.Nil(t, m["auth_id"])
}
