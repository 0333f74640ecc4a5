package hook

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"time"
)

// SignatureHeader is the header that proves a webhook to come from who knows the
// secret: "t=UNIX SECONDS,v1=HEX", where HEX is the HMAC-SHA256 of those digits, a full
// stop and the body (RFC 2104). A receiver computes it anew, compares in constant time,
// and refuses a time that is minutes away.
const SignatureHeader = "X-Sqlring-Signature"

// webhook sends the message as it is.
type webhook struct {
	poster

	secret string // empty: not signed
}

// Send implements sender.
func (h webhook) Send(ctx context.Context, m Message) error {
	body, err := m.body()
	if err != nil {
		return err
	}
	headers := http.Header{"X-Sqlring-Event-Id": {m.ID}}
	if h.secret != "" {
		headers.Set(SignatureHeader, Sign(h.secret, time.Now(), body))
	}
	return h.post(ctx, body, headers)
}

// Sign returns the value of [SignatureHeader].
func Sign(secret string, at time.Time, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	fmt.Fprintf(mac, "%d.%s", at.Unix(), body)
	return fmt.Sprintf("t=%d,v1=%s", at.Unix(), hex.EncodeToString(mac.Sum(nil)))
}
