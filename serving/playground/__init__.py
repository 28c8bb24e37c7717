"""The page on which a person tries a served model: files for a browser, without a build step."""
