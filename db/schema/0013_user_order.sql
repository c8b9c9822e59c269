-- Pages of users in the order of their names.

-- +goose Up

CREATE INDEX users_firstname_idx ON users (firstname, uuid);
CREATE INDEX users_lastname_idx ON users (lastname, uuid);
