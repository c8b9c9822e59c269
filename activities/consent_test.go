package activities

import (
	"context"
	"errors"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/xivo-auth/xivo-auth/workflows"
)

type awaiting struct {
	outcome string
	err     error
	ended   []string
}

func (a *awaiting) Await(context.Context, uuid.UUID) (string, error) { return a.outcome, a.err }

func (a *awaiting) End(_ context.Context, _ uuid.UUID, outcome string) (string, error) {
	a.ended = append(a.ended, outcome)
	return outcome, nil
}

func TestAConsentThatIsCutOffSaysNothingOfTheInside(t *testing.T) {
	t.Parallel()
	service := &awaiting{outcome: "stored"}
	c := &Consent{Service: service}
	env := environment(t, c.AwaitConsent)
	answer, err := env.ExecuteActivity(c.AwaitConsent, workflows.AwaitConsentInput{Consent: uuid.New()})
	require.NoError(t, err)
	var out workflows.ConsentResult
	require.NoError(t, answer.Get(&out))
	require.Equal(t, "stored", out.Outcome)

	service.err = errors.New("dial wss://sync/ws/secret")
	_, err = env.ExecuteActivity(c.AwaitConsent, workflows.AwaitConsentInput{Consent: uuid.New()})
	require.ErrorContains(t, err, "could not wait for the consent")
	require.NotContains(t, err.Error(), "secret")
	require.Empty(t, service.ended, "another worker goes on with it")
}

func TestAConsentThatNobodyListensForIsCancelled(t *testing.T) {
	t.Parallel()
	service := &awaiting{}
	c := &Consent{Service: service}
	env := environment(t, c.CancelConsent)
	answer, err := env.ExecuteActivity(c.CancelConsent, workflows.CancelConsentInput{Consent: uuid.New()})
	require.NoError(t, err)
	var out workflows.ConsentResult
	require.NoError(t, answer.Get(&out))
	require.Equal(t, "cancelled", out.Outcome)
	require.Equal(t, []string{"cancelled"}, service.ended)
}
