package external

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/coder/websocket"
	"github.com/google/uuid"

	"github.com/xivo-auth/xivo-auth/db"
	"github.com/xivo-auth/xivo-auth/fault"
)

// Outcomes of a consent.
const (
	OutcomeStored    = "stored"
	OutcomeDenied    = "denied"
	OutcomeFailed    = "failed"
	OutcomeTimedOut  = "timed out"
	OutcomeReplaced  = "replaced"  // by newer ones of the user
	OutcomeCancelled = "cancelled" // in the Web UI
	OutcomeGone      = "gone"      // with its user or tenant
)

const (
	dialTimeout = 5 * time.Second
	// maxPushed is the longest message of the synchronisation service, in bytes.
	maxPushed = 64 << 10
	// aliveInterval is how often the row of a consent is looked at while it is waited for: it may have been ended.
	aliveInterval = 15 * time.Second
	// Pauses before the websocket is opened again.
	shortPause, longPause = 200 * time.Millisecond, 5 * time.Second
)

// pending is a consent that is waited for.
type pending struct {
	id         uuid.UUID
	w          Whose // without a scope
	tenant     uuid.UUID
	state      string
	message    json.RawMessage // nil: not here yet
	secondsOff float64
}

// Await waits for a consent and does what it leads to: it opens the websocket of its state, and again when it breaks,
// receives the message, exchanges the code or has the plug-in do its part, and stores the result. It may be called
// again after it was cut off anywhere: a message that arrived is kept, sealed. An error means that the consent is not over
// and is to be awaited again. Neither outcome nor error hold a secret.
func (s *Service) Await(ctx context.Context, id uuid.UUID) (outcome string, err error) {
	c, outcome, err := s.pending(ctx, id)
	if outcome != "" || err != nil {
		return outcome, err
	}
	if c.message == nil {
		if outcome, err = s.receive(ctx, c); err != nil {
			return "", err
		}
	}
	if outcome == "" {
		if outcome, err = s.settle(ctx, c); err != nil {
			return "", err
		}
	}
	return s.End(ctx, id, outcome)
}

// End ends a consent, unless it is over, and gives its outcome.
func (s *Service) End(ctx context.Context, id uuid.UUID, outcome string) (string, error) {
	var row db.ExternalConsentGetRow
	err := db.Retry(ctx, func() error {
		if _, err := s.q.ExternalConsentEnd(ctx, s.d.Pool, db.ExternalConsentEndParams{UUID: id, Outcome: &outcome}); err != nil {
			return err
		}
		var err error
		row, err = s.q.ExternalConsentGet(ctx, s.d.Pool, id)
		return err
	})
	if none(err) {
		return OutcomeGone, nil
	}
	if err != nil {
		return "", fmt.Errorf("end a consent: %w", err)
	}
	if row.Outcome != nil {
		outcome = *row.Outcome
	}
	return outcome, nil
}

// pending reads a consent, or how it ended.
func (s *Service) pending(ctx context.Context, id uuid.UUID) (*pending, string, error) {
	var row db.ExternalConsentGetRow
	err := db.Retry(ctx, func() (err error) {
		row, err = s.q.ExternalConsentGet(ctx, s.d.Pool, id)
		return err
	})
	switch {
	case none(err):
		return nil, OutcomeGone, nil
	case err != nil:
		return nil, "", fmt.Errorf("read a consent: %w", err)
	case row.Outcome != nil:
		return nil, *row.Outcome, nil
	}
	c := &pending{id: id, w: Whose{User: row.UserUUID, Type: row.Type}, tenant: row.TenantUUID, secondsOff: row.SecondsLeft}
	state, err := s.d.Sealer.Open(row.State, deref(row.StateKey), consentPart(id, "state"))
	if err == nil && row.MessageKey != nil {
		c.message, err = s.d.Sealer.Open(row.Message, *row.MessageKey, consentPart(id, "message"))
	}
	if err != nil {
		s.d.Log.ErrorContext(ctx, "a consent cannot be opened; API and workers must have the same sealing keys", "consent_uuid", id, "error", err)
		outcome, err := s.End(ctx, id, OutcomeFailed)
		return nil, outcome, err
	}
	c.state = string(state)
	return c, "", nil
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// receive waits for the message of a consent until its time is up. The outcome is empty when the message is there.
func (s *Service) receive(ctx context.Context, c *pending) (outcome string, err error) {
	waiting, cancel := context.WithTimeout(ctx, time.Duration(c.secondsOff*float64(time.Second)))
	defer cancel()
	ended, stop := context.WithCancelCause(waiting)
	defer stop(nil)
	go s.watch(ended, c, stop)
	for wait := shortPause; ; wait = min(2*wait, longPause) {
		began := time.Now()
		outcome, err = s.listen(ended, c)
		switch {
		case outcome != "" || err == nil:
			return outcome, nil
		case errors.Is(context.Cause(ended), errEnded):
			return s.End(ctx, c.id, OutcomeReplaced)
		case ctx.Err() != nil:
			return "", fmt.Errorf("wait for a consent: %w", ctx.Err())
		case waiting.Err() != nil:
			return OutcomeTimedOut, nil
		}
		if time.Since(began) > longPause {
			wait = shortPause
		}
		s.d.Log.WarnContext(ctx, "the websocket of a consent is not open; trying again", "consent_uuid", c.id, "type", c.w.Type, "retry_in", wait, "error", scrubbed(err, c.state))
		select {
		case <-time.After(wait):
		case <-ended.Done():
		}
	}
}

var errEnded = errors.New("the consent was ended elsewhere")

// watch stops the wait for a consent that was ended elsewhere.
func (s *Service) watch(ctx context.Context, c *pending, stop context.CancelCauseFunc) {
	tick := time.NewTicker(aliveInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if status, err := s.q.ExternalConsentStatus(ctx, s.d.Pool, c.id); none(err) || err == nil && status == statusOver {
			stop(errEnded)
			return
		}
	}
}

// listen opens the websocket once and receives what comes: the message, stored, or a denial.
func (s *Service) listen(ctx context.Context, c *pending) (outcome string, err error) {
	dialing, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	conn, _, err := websocket.Dial(dialing, s.websocketOf(c), &websocket.DialOptions{HTTPClient: s.dialer}) //nolint:bodyclose // it says that there is nothing to close
	if err != nil {
		return "", fmt.Errorf("open the websocket: %w", err)
	}
	defer func() { go conn.Close(websocket.StatusNormalClosure, "") }() //nolint:errcheck // it waits some seconds for the other side; the code does not
	conn.SetReadLimit(maxPushed)
	if _, err := s.q.ExternalConsentOpen(ctx, s.d.Pool, c.id); err != nil {
		return "", fmt.Errorf("say that the websocket is open: %w", err)
	}
	s.d.Log.InfoContext(ctx, "waiting for a consent", "consent_uuid", c.id, "type", c.w.Type, "user_uuid", c.w.User)
	for {
		_, text, err := conn.Read(ctx)
		if err != nil {
			return "", fmt.Errorf("read from the websocket: %w", err)
		}
		switch use := s.judge(c, text); use {
		case useful:
			c.message = text
			return "", s.keep(ctx, c)
		case denial:
			s.d.Log.InfoContext(ctx, "a consent was denied", "consent_uuid", c.id, "type", c.w.Type)
			return OutcomeDenied, nil
		case noise:
			s.d.Log.WarnContext(ctx, "the synchronisation service sent something that is no consent; waiting on", "consent_uuid", c.id, "type", c.w.Type)
		}
	}
}

// What a message is.
type use int

const (
	noise use = iota
	denial
	useful
)

func (s *Service) judge(c *pending, text []byte) use {
	if !json.Valid(text) {
		return noise
	}
	if _, provided := s.d.Providers[c.w.Type]; !provided {
		return useful
	}
	var m map[string]json.RawMessage
	if json.Unmarshal(text, &m) != nil {
		return noise
	}
	if codeOf(text) == "" {
		return denial
	}
	return useful
}

func codeOf(message json.RawMessage) string {
	var m struct {
		Code string `json:"code"`
	}
	_ = json.Unmarshal(message, &m)
	return m.Code
}

// keep stores the message, sealed: whoever goes on after us need not wait for it again.
func (s *Service) keep(ctx context.Context, c *pending) error {
	sealed, keyID, err := s.d.Sealer.Seal(c.message, consentPart(c.id, "message"))
	if err != nil {
		return fmt.Errorf("seal the message of a consent: %w", err)
	}
	_, err = s.q.ExternalConsentReceive(ctx, s.d.Pool, db.ExternalConsentReceiveParams{UUID: c.id, Message: sealed, MessageKey: &keyID})
	if err != nil { // it is in our hands all the same
		s.d.Log.WarnContext(ctx, "the message of a consent could not be kept", "consent_uuid", c.id, "error", err)
	}
	return nil
}

func (s *Service) websocketOf(c *pending) string {
	if p, ok := s.d.Providers[c.w.Type]; ok {
		return strings.TrimRight(p.WebsocketHost, "/") + "/ws/" + url.PathEscape(c.state)
	}
	return strings.ReplaceAll(s.d.CallbackURL, "{state}", url.PathEscape(c.state))
}

// scrubbed is an error without the URL that was called and the state in it.
func scrubbed(err error, state string) string {
	text := inner(err).Error()
	for _, form := range []string{state, url.PathEscape(state), url.QueryEscape(state)} {
		if form != "" {
			text = strings.ReplaceAll(text, form, "***")
		}
	}
	return text
}

// dialClient opens websockets: no time-out of its own, as it would end the connection with it.
func dialClient() *http.Client {
	transport, _ := http.DefaultTransport.(*http.Transport)
	transport = transport.Clone()
	transport.ForceAttemptHTTP2 = false
	return &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func unavailable(err error) bool {
	f, ok := fault.As(err)
	return ok && f.Kind == fault.Unavailable || db.Unavailable(err)
}
