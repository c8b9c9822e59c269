package api

import (
	"encoding/json"
	"net/http"
	"unicode/utf8"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"github.com/xivo-auth/xivo-auth/external"
)

const (
	longestPushToken = 512
	longestScope     = 512
	mostScopes       = 100
)

// pushTokens are those of a user's phone (external.md section 7), in the order of declaration.
type pushTokens struct {
	Token                 *string `json:"token"`
	APNSToken             *string `json:"apns_token"`
	APNSVoIPToken         *string `json:"apns_voip_token"`
	APNSNotificationToken *string `json:"apns_notification_token"`
	APNSCallTopic         *string `json:"apns_call_topic"`
	APNSDefaultTopic      *string `json:"apns_default_topic"`
}

var mobileFields = []field{
	{name: "token", nullable: true, read: sized(1, longestPushToken)},
	{name: "apns_token", nullable: true, read: pushToken},
	{name: "apns_voip_token", nullable: true, read: pushToken},
	{name: "apns_notification_token", nullable: true, read: pushToken},
	{name: "apns_call_topic", nullable: true, read: pushToken},
	{name: "apns_default_topic", nullable: true, read: pushToken},
}

// pushToken may be empty.
func pushToken(v any) (value, failure any) {
	if value, failure = anyString(v); failure != nil {
		return nil, failure
	}
	if utf8.RuneCountInString(value.(string)) > longestPushToken { //nolint:forcetypeassert // anyString gives strings
		return nil, []fieldError{errLonger(longestPushToken)}
	}
	return value, nil
}

// mobileView shows all six, also of data of older versions.
func mobileView(data json.RawMessage) any {
	var p pushTokens
	_ = json.Unmarshal(data, &p)
	return p
}

func (s *server) readMobile(c *gin.Context) (p pushTokens, text json.RawMessage, err error) {
	_, v, err := s.externalBody(c, mobileFields)
	if err != nil {
		return p, nil, err
	}
	p = pushTokens{Token: textOrNil(v, "token"), APNSToken: textOrNil(v, "apns_token"), APNSVoIPToken: textOrNil(v, "apns_voip_token"),
		APNSNotificationToken: textOrNil(v, "apns_notification_token"), APNSCallTopic: textOrNil(v, "apns_call_topic"),
		APNSDefaultTopic: textOrNil(v, "apns_default_topic")}
	text, err = json.Marshal(p)
	return p, text, err
}

func (s *server) createMobile(c *gin.Context, who *caller) {
	p, text, err := s.readMobile(c)
	if err == nil {
		err = s.External.Create(c.Request.Context(), whose(c, who, external.Mobile), text)
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	writeJSON(c, http.StatusCreated, p)
}

func (s *server) putMobile(c *gin.Context, who *caller) {
	p, text, err := s.readMobile(c)
	if err == nil {
		err = s.External.Put(c.Request.Context(), whose(c, who, external.Mobile), text)
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	writeJSON(c, http.StatusOK, p)
}

func (s *server) getSenderID(c *gin.Context, who *caller) {
	ctx := c.Request.Context()
	tenant, err := s.scope(ctx, c, who)
	var id json.RawMessage
	if err == nil {
		w := whose(c, who, external.Mobile)
		w.Scope = &tenant
		id, err = s.External.SenderID(ctx, w, tenant)
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	writeJSON(c, http.StatusOK, gin.H{"sender_id": id})
}

var consentFields = []field{{name: "scope", read: listOf(mostScopes, sized(1, longestScope))}}

// startConsent answers when somebody listens for the consent: clients may give it at once.
func (s *server) startConsent(typ string) func(c *gin.Context, who *caller) {
	return func(c *gin.Context, who *caller) {
		ctx := c.Request.Context()
		_, v, err := s.externalBody(c, consentFields)
		if err != nil {
			s.fail(c, err)
			return
		}
		var scopes []string
		list, _ := v["scope"].([]any)
		for _, x := range list {
			scopes = append(scopes, x.(string)) //nolint:forcetypeassert // sized gives strings
		}
		tenant, err := s.scope(ctx, c, who)
		if err != nil {
			s.fail(c, err)
			return
		}
		w := whose(c, who, typ)
		w.Scope = &tenant
		started, err := s.External.StartConsent(ctx, w, tenant, scopes)
		if err != nil {
			s.fail(c, err)
			return
		}
		writeJSON(c, http.StatusCreated, started)
	}
}

// getExternalToken looks at Wazo-Tenant only when the token has to be renewed.
func (s *server) getExternalToken(typ string) func(c *gin.Context, who *caller) {
	return func(c *gin.Context, who *caller) {
		ctx := c.Request.Context()
		t, err := s.External.Token(ctx, whose(c, who, typ), func() (uuid.UUID, error) { return s.scope(ctx, c, who) })
		if err != nil {
			s.fail(c, err)
			return
		}
		writeJSON(c, http.StatusOK, t)
	}
}
