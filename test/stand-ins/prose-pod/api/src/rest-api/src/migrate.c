#include <sqlite3.h>

/* Notes that this version migrated the database; returns how many versions did, or -1. */
int stand_in_migrate(const char *path, const char *version) {
  sqlite3 *database = 0;
  sqlite3_stmt *statement = 0;
  int count = -1;
  if (sqlite3_open_v2(path, &database, SQLITE_OPEN_READWRITE, 0) == SQLITE_OK &&
      sqlite3_exec(database, "CREATE TABLE IF NOT EXISTS migration (version TEXT PRIMARY KEY)", 0, 0, 0) == SQLITE_OK &&
      sqlite3_prepare_v2(database, "INSERT OR IGNORE INTO migration VALUES (?)", -1, &statement, 0) == SQLITE_OK &&
      sqlite3_bind_text(statement, 1, version, -1, SQLITE_STATIC) == SQLITE_OK && sqlite3_step(statement) == SQLITE_DONE) {
    sqlite3_finalize(statement);
    statement = 0;
    if (sqlite3_prepare_v2(database, "SELECT count(*) FROM migration", -1, &statement, 0) == SQLITE_OK && sqlite3_step(statement) == SQLITE_ROW)
      count = sqlite3_column_int(statement, 0);
  }
  sqlite3_finalize(statement);
  sqlite3_close(database);
  return count;
}
