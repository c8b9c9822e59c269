package workflows

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
)

const (
	// callTimeout bounds one call to Temporal, retries of the SDK included.
	callTimeout = 10 * time.Second
	// refusalPause is how long lifetimes are started without search attributes after the cluster refused them; then
	// they are tried again, as a cluster that has just learnt them needs a moment to know them everywhere.
	refusalPause = time.Minute
	// maxSummary is below the server's limit of 400 bytes for an encoded summary.
	maxSummary = 380
)

// Client starts and ends lifetimes: the relay's way to Temporal. It is safe for concurrent use.
type Client struct {
	temporal  client.Client
	taskQueue string
	logger    *slog.Logger

	refusedUntil atomic.Int64 // unix seconds
	warnRefusal  sync.Once
}

// NewClient speaks for the installation of this task queue. Only when the worker of the same process was made from the
// same SDK client do lifetimes start eagerly, without a detour over the task queue.
func NewClient(c client.Client, taskQueue string, logger *slog.Logger) *Client {
	return &Client{temporal: c, taskQueue: taskQueue, logger: logger}
}

// StartLifetime is a lifetime to start. Its texts may come from outside as they are.
type StartLifetime struct {
	Input                 LifetimeInput
	UserAgent, RemoteAddr string
	// Repair starts a new run even if an earlier one has completed: for a token that the audit found alive without one.
	Repair bool
}

// Start starts a lifetime, at most once: one that runs already, or that has completed before, is success. One that was
// terminated by hand is started anew. A token that has expired already is deleted at once. Errors are those of Temporal
// and may be retried.
func (c *Client) Start(ctx context.Context, s StartLifetime) error {
	options, err := c.options(s)
	if err != nil {
		return err
	}
	plain := time.Now().Unix() < c.refusedUntil.Load()
	if plain {
		options.TypedSearchAttributes = temporal.SearchAttributes{}
	}
	in := cleanInput(s.Input)
	err = c.execute(ctx, options, in)
	if refused(err) && !plain {
		c.refusedUntil.Store(time.Now().Add(refusalPause).Unix())
		c.warnRefusal.Do(func() {
			c.logger.WarnContext(ctx, "Temporal refuses the search attributes; lifetimes run without them", "error", err)
		})
		options.TypedSearchAttributes = temporal.SearchAttributes{}
		err = c.execute(ctx, options, in)
	}
	var started *serviceerror.WorkflowExecutionAlreadyStarted
	if err == nil || errors.As(err, &started) {
		return nil
	}
	return fmt.Errorf("start lifetime %s: %w", s.Input.SessionUUID, err)
}

func (c *Client) execute(ctx context.Context, options client.StartWorkflowOptions, in LifetimeInput) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	_, err := c.temporal.ExecuteWorkflow(ctx, options, TokenLifetimeType, in)
	return err
}

// options are the whole start policy.
func (c *Client) options(s StartLifetime) (client.StartWorkflowOptions, error) {
	session, err := uuid.Parse(s.Input.SessionUUID)
	if err != nil || s.Input.ExpiresAt.IsZero() {
		return client.StartWorkflowOptions{}, errors.New("a lifetime needs a session and a time of expiry")
	}
	reuse := enums.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE_FAILED_ONLY
	if s.Repair {
		reuse = enums.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE
	}
	in := cleanInput(s.Input)
	return client.StartWorkflowOptions{
		ID:                       LifetimeID(session),
		TaskQueue:                c.taskQueue,
		EnableEagerStart:         true,
		WorkflowIDReusePolicy:    reuse,
		WorkflowIDConflictPolicy: enums.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
		// Otherwise one that has completed would look like one that was started.
		WorkflowExecutionErrorWhenAlreadyStarted: true,
		StaticSummary:                            summary(in),
		Memo: map[string]any{
			MemoUserAgent:  clean(s.UserAgent, maxUserAgent),
			MemoRemoteAddr: clean(s.RemoteAddr, maxRemoteAddr),
		},
		TypedSearchAttributes: temporal.NewSearchAttributes(AuthIDKey.ValueSet(in.AuthID), TenantUUIDKey.ValueSet(in.TenantUUID),
			BackendKey.ValueSet(in.Backend), ExpiresAtKey.ValueSet(in.ExpiresAt)),
	}, nil
}

// Revoke ends the lifetime of a token that was revoked, for a reason of the closed list or ReasonGone. A lifetime that
// does not run (any more) is success. Errors are those of Temporal and may be retried, except for an unknown reason.
func (c *Client) Revoke(ctx context.Context, session uuid.UUID, reason string) error {
	if !knownReason(reason) {
		return fmt.Errorf("revoke lifetime %s: unknown reason %q", session, clean(reason, maxAttribute))
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	err := c.temporal.SignalWorkflow(ctx, LifetimeID(session), "", SignalRevoke, RevokeSignal{Reason: reason})
	var missing *serviceerror.NotFound
	if err == nil || errors.As(err, &missing) {
		return nil
	}
	return fmt.Errorf("revoke lifetime %s: %w", session, err)
}

// refused says whether the cluster does not want our search attributes.
func refused(err error) bool {
	var invalid *serviceerror.InvalidArgument
	return errors.As(err, &invalid) && strings.Contains(strings.ToLower(invalid.Error()), "search attribute")
}

func cleanInput(in LifetimeInput) LifetimeInput {
	in.AuthID = cleanAuthID(in.AuthID)
	in.TenantUUID, in.Backend, in.Kind = clean(in.TenantUUID, maxAttribute), clean(in.Backend, maxAttribute), clean(in.Kind, maxAttribute)
	in.IssuedAt, in.ExpiresAt = in.IssuedAt.UTC(), in.ExpiresAt.UTC()
	if !in.NoticeAt.IsZero() {
		in.NoticeAt = in.NoticeAt.UTC()
	}
	return in
}

// summary is the one line that the Web UI shows of a lifetime: who, by which backend, until when.
func summary(in LifetimeInput) string {
	for limit := maxWho; ; limit /= 2 {
		s := escape(clean(in.AuthID, limit)) + ", " + escape(clean(in.Backend, limit)) + ", until " + stamp(in.ExpiresAt)
		if in.Kind != "" && in.Kind != "user" {
			s = escape(clean(in.Kind, limit)) + " token: " + s
		}
		if encoded, err := json.Marshal(s); limit == 0 || (err == nil && len(encoded) <= maxSummary) {
			return s
		}
	}
}
