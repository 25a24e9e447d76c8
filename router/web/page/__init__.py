"""The operator's page: made by the server, of the same store and state that the admin API tells of."""
