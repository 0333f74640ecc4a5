package balancer

import "github.com/sqlring/sqlring/pkg/topology"

// functionEffect returns what a function of the server does besides giving a value.
func functionEffect(name string) (Effect, bool) {
	switch name {
	case "get_lock", "release_lock", "release_all_locks", "is_free_lock", "is_used_lock":
		return EffectUserLock, true
	case "service_get_read_locks", "service_get_write_locks", "service_release_locks", "version_tokens_lock_shared", "version_tokens_lock_exclusive",
		"version_tokens_unlock":
		return EffectServiceLock, true
	case "last_insert_id":
		return EffectLastInsertID, true
	case "row_count":
		return EffectRowCount, true
	case "found_rows":
		return EffectFoundRows, true
	case "connection_id":
		return EffectConnectionID, true
	case "nextval", "setval":
		return EffectSequence, true
	case "lastval":
		return EffectLastValue, true
	case "sleep", "benchmark":
		return EffectWaits, true
	case "master_pos_wait", "source_pos_wait", "master_gtid_wait", "wait_for_executed_gtid_set", "wait_until_sql_thread_after_gtids", "binlog_gtid_pos",
		"load_file", "ps_current_thread_id", "ps_thread_id", "icu_version", "gtid_subtract_executed":
		return EffectMember, true
	}
	return 0, false
}

// isKeywordFunction reports whether name is a function only with a bracket right
// behind it, to MySQL: with a space it may be a stored one.
func isKeywordFunction(name string) bool {
	switch name {
	case "adddate", "bit_and", "bit_or", "bit_xor", "cast", "count", "curdate", "curtime", "date_add", "date_sub", "extract", "group_concat", "json_objectagg",
		"json_arrayagg", "max", "mid", "min", "now", "position", "session_user", "std", "stddev", "stddev_pop", "stddev_samp", "subdate", "substr", "substring",
		"sum", "sysdate", "system_user", "trim", "variance", "var_pop", "var_samp":
		return true
	}
	return false
}

// isSyntax reports whether a bracket may stand behind the keyword name, further to
// those of opensBracket, on both servers.
func isSyntax(name string) bool {
	switch name {
	case "all", "any", "some", "and", "or", "not", "escape", "separator", "returning", "set", "duplicate", "update", "insert", "replace", "ignore", "then", "nchar",
		"national", "varying", "double", "real", "year", "json", "unsigned", "signed", "integer", "int", "precision", "charset", "collate", "default", "row_number",
		"cume_dist", "dense_rank", "first_value", "lag", "last_value", "lead", "nth_value", "ntile", "percent_rank", "rank", "grouping", "rows", "range", "groups",
		"unique", "primary", "foreign", "references", "check", "generated", "always", "columns", "path", "nested", "exists", "rollup", "cube", "recursive", "binary",
		"timestampadd", "timestampdiff", "utc_date", "utc_time", "utc_timestamp", "current_user", "convert", "coalesce", "schema", "database", "user", "if",
		"left", "right", "repeat", "truncate", "microsecond", "hour", "minute", "second", "day", "month", "quarter", "week", "date", "time", "timestamp", "interval",
		"get_format", "weight_string", "json_value", "json_table", "localtime", "localtimestamp", "current_date", "current_time", "current_timestamp", "mod", "ascii", "format", "point",
		"linestring", "polygon", "multipoint", "multilinestring", "multipolygon", "geometrycollection", "password", "reverse":
		return true
	}
	return false
}

// isLaterFunction reports whether name is a function without effects of one flavour,
// further to those that both have.
func isLaterFunction(name string, flavour topology.Flavour) bool {
	switch name {
	case "acos", "asin", "cot", "make_set", "export_set", "soundex", "bit_count", "bit_length", "compress", "uncompress", "uncompressed_length", "convert_tz", "get_format",
		"is_ipv4", "is_ipv6", "is_ipv4_compat", "is_ipv4_mapped", "name_const", "aes_encrypt", "aes_decrypt", "random_bytes", "uuid_short", "extractvalue", "updatexml",
		"json_array_append", "json_array_insert", "json_depth", "json_merge", "json_overlaps", "json_pretty", "regexp_instr", "regexp_replace", "regexp_substr", "coercibility",
		"st_astext", "st_asbinary", "st_geomfromtext", "st_x", "st_y", "st_distance", "st_contains", "st_within", "st_intersects", "st_srid", "st_distance_sphere", "st_area",
		"st_length", "st_geomfromwkb", "st_asgeojson", "st_geomfromgeojson", "st_pointfromtext", "mbrcontains", "mbrwithin", "mbrintersects":
		return true
	}
	switch flavour {
	case topology.FlavourMySQL:
		switch name {
		case "any_value", "bin_to_uuid", "uuid_to_bin", "is_uuid", "json_storage_size", "json_storage_free", "json_schema_valid", "regexp_like", "statement_digest",
			"statement_digest_text", "format_bytes", "format_pico_time", "gtid_subset", "gtid_subtract":
			return true
		}
	case topology.FlavourMariaDB:
		switch name {
		case "json_compact", "json_detailed", "json_loose", "json_exists", "json_query", "json_equals", "json_normalize", "column_get", "column_json", "column_list",
			"column_check", "column_create", "column_exists", "to_char", "to_number", "chr", "nvl", "nvl2", "natural_sort_key", "sformat", "add_months", "median",
			"percentile_cont", "percentile_disc":
			return true
		}
	case topology.FlavourUnknown:
	}
	return false
}
