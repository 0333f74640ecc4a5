package burst

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/go-sql-driver/mysql"
)

// Schema is the schema that a run makes and drops.
const Schema = "sqlring_burst"

const (
	cards    = 10_000
	pictures = 200
	hotCard  = 1 // the one that everybody looks at
)

// Prepare makes the site's tables anew.
func Prepare(ctx context.Context, db *sql.DB) error {
	statements := []string{
		"DROP DATABASE IF EXISTS " + Schema, "CREATE DATABASE " + Schema,
		"CREATE TABLE " + Schema + ".picture (id INT PRIMARY KEY, title VARCHAR(80) NOT NULL, sent INT NOT NULL DEFAULT 0) ENGINE=InnoDB",
		"CREATE TABLE " + Schema + ".card (id BIGINT AUTO_INCREMENT PRIMARY KEY, picture INT NOT NULL, code CHAR(16) NOT NULL, text VARCHAR(500) NOT NULL, views INT NOT NULL DEFAULT 0, KEY (picture)) ENGINE=InnoDB",
		"CREATE TABLE " + Schema + ".total (id INT PRIMARY KEY, sent BIGINT NOT NULL) ENGINE=InnoDB",
		"INSERT INTO " + Schema + ".total VALUES (1, 0)",
	}
	for _, s := range statements {
		if _, err := db.ExecContext(ctx, s); err != nil {
			var told *mysql.MySQLError
			if errors.As(err, &told) && (told.Number == 1044 || told.Number == 1142) { // access denied to a schema, to a table
				return fmt.Errorf("prepare the site: %w: the account needs it: GRANT ALL ON %s.* TO it", err, Schema)
			}
			return fmt.Errorf("prepare the site: %.60s: %w", s, err)
		}
	}
	for _, fill := range []struct {
		into, row string
		many      int
	}{{"picture (id, title)", "(%d, 'a picture')", pictures}, {"card (id, picture, code, text)", "(%d, 1+%[1]d%%200, 'x', 'happy new year')", cards}} {
		for from := 1; from <= fill.many; from += 1000 {
			var rows []string
			for id := from; id < from+1000 && id <= fill.many; id++ {
				rows = append(rows, fmt.Sprintf(fill.row, id))
			}
			if _, err := db.ExecContext(ctx, "INSERT INTO "+Schema+"."+fill.into+" VALUES "+strings.Join(rows, ", ")); err != nil {
				return fmt.Errorf("fill the site: %w", err)
			}
		}
	}
	return nil
}

// Clear drops them.
func Clear(ctx context.Context, db *sql.DB) error {
	_, err := db.ExecContext(ctx, "DROP DATABASE IF EXISTS "+Schema)
	return err
}

// action is something that people do.
type action struct {
	name   string
	weight int
	do     func(ctx context.Context, c *sql.Conn, r *rand.Rand) error
}

// actions are what people do, by weight: 60 browse, 20 read a card, 12 look at the card that
// everybody looks at, 8 send one.
func actions() []action {
	one := func(text string, args ...any) func(context.Context, *sql.Conn) error {
		return func(ctx context.Context, c *sql.Conn) error {
			var title string
			return c.QueryRowContext(ctx, text, args...).Scan(&title)
		}
	}
	return []action{
		{"browse", 60, func(ctx context.Context, c *sql.Conn, r *rand.Rand) error {
			for range 3 {
				if err := one("SELECT title FROM "+Schema+".picture WHERE id=?", 1+r.IntN(pictures))(ctx, c); err != nil {
					return err
				}
			}
			return nil
		}},
		{"read", 20, func(ctx context.Context, c *sql.Conn, r *rand.Rand) error {
			return one("SELECT text FROM "+Schema+".card WHERE id=?", 1+r.IntN(cards))(ctx, c)
		}},
		{"view", 12, func(ctx context.Context, c *sql.Conn, _ *rand.Rand) error {
			_, err := c.ExecContext(ctx, "UPDATE "+Schema+".card SET views=views+1 WHERE id=?", hotCard)
			return err
		}},
		{"send", 8, send},
	}
}

// send sends a card: it and the total of all cards, together.
func send(ctx context.Context, c *sql.Conn, r *rand.Rand) error {
	tx, err := c.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	if _, err := tx.ExecContext(ctx, "INSERT INTO "+Schema+".card (picture, code, text) VALUES (?, ?, 'happy new year')", 1+r.IntN(pictures), fmt.Sprintf("%016x", r.Uint64())); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, "UPDATE "+Schema+".total SET sent=sent+1 WHERE id=?", 1); err != nil {
		return err
	}
	return tx.Commit()
}
