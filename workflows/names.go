package workflows

import (
	"strings"

	"github.com/google/uuid"
	"go.temporal.io/sdk/temporal"
)

// Workflow types, as the Web UI lists them.
const (
	TokenLifetimeType = "TokenLifetime"
	LifetimeAuditType = "LifetimeAudit"

	ExternalConsentType = "ExternalConsent"
)

// Signals and queries of TokenLifetime.
const (
	SignalRevoke = "revoke" // payload RevokeSignal: the token was revoked, the lifetime ends
	QueryStatus  = "status" // answers LifetimeStatus
)

// Activities, by the names in recorded histories: renaming one breaks the lifetimes that sleep.
const (
	DeleteExpiredToken = "DeleteExpiredToken"
	RevokeToken        = "RevokeToken"
	AnnounceExpiry     = "AnnounceExpiry"

	CountLifetimes        = "CountLifetimes"
	SweepOverdueTokens    = "SweepOverdueTokens"
	RestartLifetimes      = "RestartLifetimes"
	EndOrphanedLifetimes  = "EndOrphanedLifetimes"
	SweepStaleAccessLists = "SweepStaleAccessLists"

	AwaitConsent  = "AwaitConsent"
	CancelConsent = "CancelConsent"
)

// Search attributes of TokenLifetime.
var (
	AuthIDKey     = temporal.NewSearchAttributeKeyKeyword("AuthId")
	TenantUUIDKey = temporal.NewSearchAttributeKeyKeyword("TenantUuid")
	BackendKey    = temporal.NewSearchAttributeKeyKeyword("Backend")
	ExpiresAtKey  = temporal.NewSearchAttributeKeyTime("ExpiresAt")
	OutcomeKey    = temporal.NewSearchAttributeKeyKeyword("Outcome")
)

// Keys of the memo.
const (
	MemoUserAgent  = "user_agent"
	MemoRemoteAddr = "remote_addr"
)

const lifetimePrefix = "token-lifetime-"

// LifetimeID is the workflow id of a session's lifetime: what an operator pastes into the Web UI.
func LifetimeID(session uuid.UUID) string { return lifetimePrefix + session.String() }

// ConsentID is the workflow id of the wait for a consent.
func ConsentID(consent uuid.UUID) string { return "external-consent-" + consent.String() }

// SessionOf is the session that a workflow id belongs to; false when it is not the id of a lifetime.
func SessionOf(workflowID string) (uuid.UUID, bool) {
	text, found := strings.CutPrefix(workflowID, lifetimePrefix)
	session, err := uuid.Parse(text)
	if !found || err != nil || session.String() != text {
		return uuid.Nil, false
	}
	return session, true
}

// TaskQueue is the queue of one installation, so that several can share a namespace (decision 21).
func TaskQueue(installation uuid.UUID) string { return "xivo-auth-" + installation.String() }

// AuditScheduleID is the id of an installation's audit schedule.
func AuditScheduleID(installation uuid.UUID) string { return "lifetime-audit-" + installation.String() }

// RunningLifetimes is the visibility query of one installation's lifetimes that run.
func RunningLifetimes(taskQueue string) string {
	return "WorkflowType = '" + TokenLifetimeType + "' AND TaskQueue = '" + quoted.Replace(taskQueue) + "' AND ExecutionStatus = 'Running'"
}

var quoted = strings.NewReplacer(`'`, `''`)
