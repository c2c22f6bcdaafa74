<?php
// Makes the tables and the one member. Arguments: the site's folder, host:port, the member's name and password.
[, $site, $_SERVER['HTTP_HOST'], $name, $password] = $argv;
define('WP_INSTALLING', true);
require "$site/wp-load.php";
require ABSPATH . 'wp-admin/includes/upgrade.php';
add_filter('pre_wp_mail', '__return_true');
wp_install("doorkey's tests", $name, 'ada@blog.invalid', false, '', wp_slash($password));
