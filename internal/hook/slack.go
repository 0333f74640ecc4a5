package hook

import (
	"context"
	"strings"

	"github.com/sqlring/sqlring/pkg/topology"
)

// slack posts to an incoming webhook of Slack, or of what takes the same (Mattermost,
// Rocket.Chat, Discord with /slack): a text, and an attachment with a colour.
type slack struct{ poster }

type slackMessage struct {
	Text        string            `json:"text"`
	Attachments []slackAttachment `json:"attachments"`
}

type slackAttachment struct {
	Color    string       `json:"color"`
	Fallback string       `json:"fallback"`
	Text     string       `json:"text"`
	Fields   []slackField `json:"fields"`
	Footer   string       `json:"footer"`
	TS       int64        `json:"ts"` // unix seconds
}

type slackField struct {
	Title string `json:"title"`
	Value string `json:"value"`
	Short bool   `json:"short"`
}

// Send implements sender.
func (h slack) Send(ctx context.Context, m Message) error { return h.postJSON(ctx, slackOf(m)) }

func slackOf(m Message) slackMessage {
	color := map[topology.Urgency]string{topology.UrgencyInfo: "#439fe0", topology.UrgencyWarning: "warning", topology.UrgencyCritical: "danger"}[m.Severity]
	if m.Status == topology.PhaseResolved {
		color = "good"
	}
	state := m.To
	if m.From != "" {
		state = m.From + " → " + m.To
	}
	return slackMessage{
		Text: slackEscape(m.title()),
		Attachments: []slackAttachment{{
			Color: color, Fallback: slackEscape(m.title()), Text: slackEscape(m.text()), Footer: slackEscape("sqlring " + string(m.Node) + " · " + m.ID), TS: m.Since.Unix(),
			Fields: []slackField{
				{"about", slackEscape(m.Topic.String() + "/" + m.Subject), true},
				{"state", slackEscape(state), true},
			},
		}},
	}
}

// slackEscape does what Slack asks for: the three characters of its own markup.
func slackEscape(text string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(text)
}
