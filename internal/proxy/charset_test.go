package proxy

import (
	"bytes"
	"testing"

	"github.com/sqlring/sqlring/internal/wire"
)

// loginIn logs in with a character set, by the id of a collation.
func (c *raw) loginIn(t *testing.T, charset byte) {
	t.Helper()
	payload, err := c.own.Read()
	if err != nil {
		t.Fatal(err)
	}
	greeting, err := wire.ParseGreeting(payload)
	if err != nil {
		t.Fatal(err)
	}
	c.caps = rawCaps
	login := wire.Login{Capabilities: rawCaps, User: "app", Charset: charset, Plugin: wire.PluginNative, Token: wire.NewDigest(appPassword).Token(greeting.Salt)}
	if err := c.own.Write(login.Append(nil)); err != nil {
		t.Fatal(err)
	}
	if err := c.own.Finish(login.Plugin, greeting.Salt, wire.Credentials{Secret: wire.SecretOfPassword(appPassword)}); err != nil {
		t.Fatal(err)
	}
}

// A session has the character sets that its client began with, on a connection that was reset
// since somebody else had set something there too; and those that a server gives it when the
// client itself resets it, on each connection.
func TestRealCharacterSetsOfTheHandshake(t *testing.T) {
	onBoth(t, func(t *testing.T, f *fronted) {
		const question = "SELECT CONCAT_WS(' ', @@character_set_client, @@character_set_connection, COALESCE(@@character_set_results, 'NULL'), @@collation_connection, HEX('\xe4'), '\xe4' = 'ae')"
		ask := func(c *raw) string { return c.rowsOf(question)[0][0] }
		for _, charset := range []byte{8, 31, 45, 28} { // latin1, latin1_german2_ci, utf8mb4_general_ci, gbk
			direct, through := dialRaw(t, f.addr), dialRaw(t, f.Addr())
			direct.loginIn(t, charset)
			through.loginIn(t, charset)
			disturb := func() { // there is not plenty of room: others' connections are taken, and reset
				for range 60 {
					other := dialRaw(t, f.Addr())
					other.loginIn(t, charset)
					other.runs(t, "SET time_zone='+03:00'")
					defer other.conn.Close()
				}
			}
			same := func(when string) {
				t.Helper()
				if got, want := ask(through), ask(direct); got != want {
					t.Errorf("%d, %s: got %q, want %q", charset, when, got, want)
				}
				const text = "SELECT 'a' AS a" // a server says by which collation it is sent
				if got, want := through.response(wire.ComQuery, text), direct.response(wire.ComQuery, text); !bytes.Equal(got, want) {
					t.Errorf("%d, %s: got %q, want %q", charset, when, got, want)
				}
			}
			same("at first")
			disturb()
			same("on another one's connection")
			direct.response(wire.ComResetConnection, "")
			through.response(wire.ComResetConnection, "")
			same("reset")
			disturb()
			same("reset, and on another one's connection")
		}
	})
}
